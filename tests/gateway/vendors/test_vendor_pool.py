"""The pool: where connections lead, whom they trust, and what could not be sent."""

import asyncio
import datetime
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from governance.gateway.limits import Limits
from governance.gateway.transport import NothingSent
from governance.gateway.vendor_pool import VendorPool, taking_turns
from governance.gateway.watchdog import Watchdog
from governance.plugin.provider import Upstream
from tests.gateway.vendor import Vendor, VendorCall
from tests.gateway.vendors.asking import ask, upstream, whole


def certify(name: str, folder: Path) -> Path:
    """Write a certificate for this name with its key, which whoever trusts the file trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    chain = folder / f"{name}.pem"
    chain.write_bytes(certificate + private)
    return chain


async def serve_securely(vendor: Vendor, chain: Path) -> asyncio.Server:
    """Let the vendor speak TLS, too, on the port that it then says."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    server = await asyncio.start_server(vendor.serve, "127.0.0.1", 0, ssl=context)
    vendor.port = server.sockets[0].getsockname()[1]
    return server


async def test_it_speaks_tls_with_whom_the_machine_trusts(
    vendor: Vendor, watchdog: Watchdog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = certify("localhost", tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(chain))
    server = await serve_securely(vendor, chain)
    pool = VendorPool(Limits(), watchdog=watchdog)

    async def answer(call: VendorCall) -> None:
        await call.begin_stream()
        for _ in range(3):
            await call.chunk(call.body)
        await call.end_stream()

    vendor.answer = answer
    to = Upstream(url=f"https://localhost:{vendor.port}/v1", headers=())
    for _ in range(2):
        assert await whole(await pool.send(upstream=to, body=b"x" * 100_000)) == b"x" * 300_000
    assert vendor.calls[0].writer is vendor.calls[1].writer
    await pool.close()
    server.close()


@pytest.mark.parametrize("name", ["localhost", "elsewhere.example"])
async def test_a_certificate_that_does_not_fit_is_refused_before_anything_is_sent(
    vendor: Vendor, watchdog: Watchdog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    if name != "localhost":  # trusted, but of somebody else; the other is not trusted
        monkeypatch.setenv("SSL_CERT_FILE", str(certify(name, tmp_path)))
    server = await serve_securely(vendor, certify(name, tmp_path) if name == "localhost" else tmp_path / f"{name}.pem")
    pool = VendorPool(Limits(), watchdog=watchdog)
    with pytest.raises(NothingSent, match="SSLCertVerificationError"):
        await pool.send(upstream=Upstream(url=f"https://localhost:{vendor.port}/v1", headers=()), body=b"{}")
    assert not vendor.calls
    server.close()


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        ("http://127.0.0.1:9/v1", ()),
        ("http://no-such-host.invalid/v1", ()),
        ("http://:80/v1", ()),
        ("ftp://127.0.0.1/v1", ()),
        ("http://127.0.0.1:99999/v1", ()),
        ("http://127.0.0.1/ä", ()),
        ("http://127.0.0.1:1/v1", (("x-a", "b\r\nx-evil: c"),)),
        ("http://127.0.0.1:1/v1", (("x-a", "b\nx-evil: c"),)),
    ],
)
async def test_what_cannot_be_sent_says_so(pool: VendorPool, url: str, headers: tuple[tuple[str, str], ...]) -> None:
    with pytest.raises(NothingSent) as unsent:
        await pool.send(upstream=Upstream(url=url, headers=headers), body=b"{}")
    assert not unsent.value.is_timeout


async def test_a_host_that_does_not_shake_hands_is_given_up(watchdog: Watchdog) -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    pool = VendorPool(Limits(connect_seconds=0.1), watchdog=watchdog)
    with pytest.raises(NothingSent) as unsent:
        await pool.send(upstream=Upstream(url=f"https://127.0.0.1:{port}/v1", headers=()), body=b"{}")
    assert unsent.value.is_timeout
    server.close()


async def test_a_closed_pool_keeps_nothing(pool: VendorPool, vendor: Vendor) -> None:
    was_closed = asyncio.Event()

    async def answer(call: VendorCall) -> None:
        await call.reply(b"hi")
        if len(vendor.calls) == 2:
            await call.closed()
            was_closed.set()

    vendor.answer = answer
    assert await ask(pool, vendor) == b"hi"
    late = await pool.send(upstream=upstream(vendor), body=b"{}")
    await pool.close()
    assert await whole(late) == b"hi"
    await asyncio.wait_for(was_closed.wait(), 5)


async def test_an_address_that_refuses_or_does_not_answer_is_passed_over(vendor: Vendor, watchdog: Watchdog) -> None:
    asked = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append((host, port))
        # 240.0.0.0/4 is reserved: nobody answers there.
        return ["127.0.0.9", "240.0.0.1", "127.0.0.1", "127.0.0.8", "127.0.0.7"]

    pool = VendorPool(Limits(connect_seconds=2), watchdog=watchdog, resolve=resolve)
    to = Upstream(url=f"http://vendor.example:{vendor.port}/v1", headers=())
    assert (await pool.send(upstream=to, body=b"{}")).status == 200
    assert asked == [("vendor.example", vendor.port)]
    assert vendor.calls[0].headers["host"] == f"vendor.example:{vendor.port}"


def test_addresses_of_both_families_take_turns() -> None:
    assert taking_turns([["::1", "::2", "::3"], ["127.0.0.1"]]) == ["::1", "127.0.0.1", "::2", "::3"]
    assert taking_turns([]) == []
