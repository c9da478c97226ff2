"""`bursar import`: moving over from another gateway."""

import os
from pathlib import Path
from typing import Any

import msgspec
from django.core.management.base import CommandParser

from governance.commands.base import Answer, VerbCommand, actor, chosen_organisation, environment
from governance.commands.parsing import file_content, value_of
from governance.core.clock import utc_now
from governance.core.csv_text import csv_bytes
from governance.core.errors import BadRequest
from governance.moving.asking import ask_litellm
from governance.moving.litellm import read_litellm
from governance.moving.operations import NewText, Plan, move

_COLUMNS = ("name", "team", "former", "former_sha256", "text")


class Command(VerbCommand):
    """Moving over."""

    help = "Move teams, keys and budgets over from another gateway."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the verbs."""
        super().add_arguments(parser)
        verb = self.add_verb(
            "litellm", _litellm,
            words="Make what LiteLLM has: teams, keys, budgets, rate limits, models. Without --keys-file nothing is "
            "changed, and the same list shows what would be.",
            example="bursar import litellm --url https://litellm.acme.example --master-key-env LITELLM_MASTER_KEY\n"
            "  bursar import litellm teams.json keys.json\n"
            "  bursar import litellm teams.json keys.json --keys-file new-keys.csv",
        )  # fmt: skip
        verb.add_argument("files", nargs="*", help="what /team/list and /key/list answer, or LiteLLM's tables, as JSON")
        verb.add_argument("--url", help="the running proxy to ask")
        verb.add_argument("--master-key-env", metavar="VAR", help="the environment variable that holds its master key")
        verb.add_argument(
            "--keys-file", metavar="FILE", help="change something, and put the new keys into this new file"
        )
        verb.add_argument("--unit", default="Default unit", help="the business unit of teams that have none")
        verb.add_argument("--cost-centre", default="default", help="where finance books new teams")
        verb.add_argument("--team", default="LiteLLM", help="the team of keys that are in none")


def _litellm(options: dict[str, Any]) -> Answer:
    texts = [file_content(path) for path in options["files"]]
    if options["url"]:
        master_key = value_of(options["master_key_env"], variables=os.environ)
        texts += ask_litellm(url=options["url"], master_key=master_key)
    if not texts:
        raise BadRequest("There is nothing to read: name files, or --url with --master-key-env.")
    path = Path(options["keys_file"]) if options["keys_file"] else None
    plan = Plan(
        actor=actor(),
        at=utc_now(),
        pepper=environment().key_pepper,
        organisation=chosen_organisation(options),
        unit=options["unit"],
        cost_centre=options["cost_centre"],
        rest=options["team"],
    )
    source = read_litellm(texts)
    moved = move(plan=plan, source=source, is_trial=path is None, keep=lambda made: _write(path, made))
    return [msgspec.structs.asdict(row) for row in moved.rows]


def _write(path: Path | None, texts: list[NewText]) -> None:
    """Put the texts where only this user reads them, into a file that was not there."""
    if path is None or not texts:
        return
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise BadRequest(f"{path} cannot be made ({error.strerror}): name a file that is not there yet.") from error
    with os.fdopen(handle, "wb") as file:
        file.write(csv_bytes(_COLUMNS, [[getattr(text, column) for column in _COLUMNS] for text in texts]))
        file.flush()
        os.fsync(file.fileno())
