"""Vendors whose name, address or certificate does not hold: nothing is sent, nothing is charged, the client is told."""

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from governance.core.environment import Environment
from governance.gateway.limits import Limits
from tests.gateway.vendor import Vendor
from tests.gateway.world import Served, World, question, serving

TODAY = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


class Authority:
    """Issues certificates, and is trusted by whoever reads its file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "An authority of the tests")])
        certificate = (
            self._builder(self._name, self._key, ends_at=TODAY + DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.file = folder / "authority.pem"
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, ends_at: datetime.datetime
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(TODAY - 30 * DAY)
            .not_valid_after(ends_at)
        )

    def context(self, host: str, *, ends_at: datetime.datetime) -> ssl.SSLContext:
        """Return what a server needs to be this host until then."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        certificate = (
            self._builder(subject, key, ends_at=ends_at)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        file = self._folder / f"{host}-{ends_at:%Y%m%d}.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


@dataclass
class Secured:
    """A gateway that trusts an authority of ours, and vendors behind TLS by what is wrong with them."""

    served: Served
    vendor: Vendor
    ports: dict[str, int]


@pytest.fixture
async def secured(
    world: World,
    environment: Environment,
    vendor: Vendor,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Secured]:
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    contexts: dict[str, Callable[[], ssl.SSLContext]] = {
        "good": lambda: authority.context("localhost", ends_at=TODAY + DAY),
        "expired": lambda: authority.context("localhost", ends_at=TODAY - DAY),
        "another host's": lambda: authority.context("elsewhere.example", ends_at=TODAY + DAY),
        "a stranger's": lambda: Authority(tmp_path / "x").context("localhost", ends_at=TODAY + DAY),
    }
    (tmp_path / "x").mkdir()
    servers = {}
    for name, context in contexts.items():
        servers[name] = await asyncio.start_server(vendor.serve, "127.0.0.1", 0, ssl=context())
    limits = Limits(retries=0, connect_seconds=3, watch_seconds=0.05, database_seconds=20, lease_idle_seconds=0.3)
    async with serving(environment, limits) as served:
        yield Secured(served, vendor, {name: each.sockets[0].getsockname()[1] for name, each in servers.items()})
    for each in servers.values():
        each.close()


async def test_a_certificate_that_does_not_hold_is_no_vendor_and_costs_nothing(
    secured: Secured, world: World, key: str
) -> None:
    served = secured.served
    budget = world.add_budget(10**9)
    for number, (name, port) in enumerate(secured.ports.items()):
        world.connection = world.add_connection(f"https://localhost:{port}/v1")
        world.add_model(f"model-{number}")
        await served.catch_up(world)
        async with served.client(key) as client:
            reply = await client.post("/v1/chat/completions", json={**question(), "model": f"model-{number}"})
        if name == "good":
            assert reply.status_code == 200
        else:
            assert reply.status_code == 502, name
            assert "nothing was sent and nothing is charged" in reply.json()["error"]["message"]
    assert len(secured.vendor.calls) == 1
    account = await world.at_rest(budget)
    assert account["settled_nano"] == 15_000
    assert world.attempts() == []


async def test_a_name_without_an_address_and_a_port_without_a_vendor_cost_nothing(
    secured: Secured, world: World, key: str
) -> None:
    served = secured.served
    budget = world.add_budget(10**9)
    urls = ("http://no-such-host.invalid/v1", "https://no-such-host.invalid/v1", "http://127.0.0.1:1/v1")
    for number, url in enumerate(urls):
        world.connection = world.add_connection(url)
        world.add_model(f"model-{number}")
        await served.catch_up(world)
        async with served.client(key) as client:
            reply = await client.post("/v1/chat/completions", json={**question(), "model": f"model-{number}"})
        assert reply.status_code == 502, url
        assert "nothing was sent and nothing is charged" in reply.json()["error"]["message"]
    account = await world.at_rest(budget)
    assert (account["settled_nano"], world.attempts()) == (0, [])
