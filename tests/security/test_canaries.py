"""Secrets and prompts are looked for in everything that a run wrote: logs, files, metrics, the database and answers."""

from pathlib import Path

from tests.gateway.test_process import Processes
from tests.gateway.vendor import Vendor, VendorCall, answer_plainly
from tests.gateway.world import CREDENTIAL, World, question
from tests.security.asking import PATH

PROMPT = "canary-of-a-prompt"
ANSWER = "canary-of-an-answer"
_TABLES = """
    SELECT format('%%I.%%I', schemaname, tablename) AS name FROM pg_tables
     WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
"""


async def test_nothing_that_a_run_wrote_holds_a_secret_or_a_prompt(
    processes: Processes, world: World, vendor: Vendor
) -> None:
    key = world.add_key()[1]
    secret = key.split("_")[2]
    said: list[str] = []

    async def echo(call: VendorCall) -> None:
        await call.reply(f'{{"error":{{"message":"{CREDENTIAL} {ANSWER}"}}}}'.encode(), status=401)

    async def broken(call: VendorCall) -> None:
        await call.send(f"HTTP/1.1 200 {CREDENTIAL}\r\nx-{ANSWER}\r\n\r\n".encode())
        call.writer.close()

    async with processes.client(key) as client:
        for answer in (answer_plainly, echo, broken):
            vendor.answer = answer
            for fields in ({}, {"stream": True}, {"max_tokens": -1}, {"model": PROMPT}, {"metadata": {"a": PROMPT}}):
                reply = await client.post(PATH, json={**question(PROMPT), **fields})
                said.append(str(reply.headers) + reply.text.replace(PROMPT, ""))
        for path in (f"{PATH}?key={key}", f"/{key}", f"/v1/models/x?q={key}", f"/v1/models?token={key}"):
            reply = await client.post(path, content=PROMPT)
            said.append(str(reply.headers) + reply.text)
            reply = await client.get(path)
            said.append(str(reply.headers))
        await client.post(PATH, content=PROMPT, headers={"x-bursar-tags": "=" + PROMPT, "x-api-key": secret})
        said.append((await client.get("/metrics")).text)
    for process in processes.each:
        await process.stop()
    secrets = [CREDENTIAL, secret, world.environment.key_pepper.decode(), world.environment.secret_key]
    assert _found(secrets, said) == []
    written = [process.log.read_bytes().decode("latin-1") for process in processes.each]
    written += [file.read_bytes().decode("latin-1") for file in _files(world.environment.home)]
    assert sum(map(len, written)) > 1000
    assert _found([*secrets, PROMPT, ANSWER], written) == []
    for table in world.rows(_TABLES):
        rows = [row["text"] for row in world.rows(f"SELECT t::text AS text FROM {table['name']} t")]  # noqa: S608
        assert _found([*secrets, PROMPT, ANSWER], rows) == [], table["name"]


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _found(canaries: list[str], texts: list[str]) -> list[str]:
    return [canary for canary in canaries for text in texts if canary in text]
