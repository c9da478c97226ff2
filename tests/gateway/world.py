"""An organisation in the test database, written and read as the owner, and a gateway served over it."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx
import psycopg
import uvicorn
from openai import AsyncOpenAI
from psycopg import sql

from governance.connections.sealing import seal
from governance.core.environment import Environment
from governance.gateway.app import Gateway
from governance.gateway.limits import Limits
from governance.gateway.process import open_gateway
from governance.gateway.server import GatewayServer
from governance.keys.secret import make_secret

CREDENTIAL = "sk-canary-of-the-vendor-7c1f"
TWO_PRICES = {"input": "1000", "output": "2000"}

T = TypeVar("T")


def question(text: str = "Hi", **fields: Any) -> dict[str, Any]:
    """Return the body of a chat request to the model `tiny`."""
    return {"model": "tiny", "messages": [{"role": "user", "content": text}], **fields}


async def eventually(look: Callable[[], T | None], *, seconds: float = 10) -> T:
    """Return the first thing that is not None; fail after this many seconds."""
    async with asyncio.timeout(seconds):
        while (found := look()) is None:  # noqa: ASYNC110 - the database and other processes set no event
            await asyncio.sleep(0.02)
        return found


@dataclass
class World:
    """One organisation whose model `tiny` runs at the scripted vendor: 1 USD in, 2 USD out per million tokens."""

    owner: psycopg.Connection[dict[str, Any]]
    environment: Environment
    organisation: int = 0
    unit: int = 0
    team: int = 0
    connection: int = 0
    book: int = 0
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def found(self, vendor_url: str) -> None:
        """Make the organisation, its team, a connection to the vendor, and the model."""
        self.organisation = self.insert("teams_organisation", name="Acme", zone="Europe/Berlin")
        self.unit = self.insert("teams_businessunit", organisation_id=self.organisation, name="Research")
        cost_centre = self.insert("teams_costcentre", organisation_id=self.organisation, code="4711", name="")
        self.team = self.insert(
            "teams_team",
            organisation_id=self.organisation,
            unit_id=self.unit,
            cost_centre_id=cost_centre,
            name="default",
            required_tags=[],
        )
        self.connection = self.add_connection(vendor_url)
        self.book = self.insert("catalog_pricebook", name="manual", rank=10, source="test", snapshot_sha256="")
        self.add_model("tiny")

    def insert(self, table: str, **columns: object) -> int:
        names = sql.SQL(", ").join(map(sql.Identifier, columns))
        places = sql.SQL(", ").join([sql.Placeholder()] * len(columns))
        query = sql.SQL("INSERT INTO {} ({}) VALUES ({}) RETURNING *").format(sql.Identifier(table), names, places)
        row = self.owner.execute(query, tuple(columns.values())).fetchone()
        assert row is not None
        return int(row.get("id") or 0)

    def rows(self, query: str, *arguments: object) -> list[dict[str, Any]]:
        return self.owner.execute(query.encode(), arguments).fetchall()

    def execute(self, query: str, *arguments: object) -> None:
        self.owner.execute(query.encode(), arguments)

    def add_key(self, **columns: object) -> tuple[int, str]:
        """Return id and text of a new key."""
        values = {"default_tags": "{}", "team_id": self.team, "name": "a key", **columns}
        key = self.insert("keys_virtualkey", organisation_id=self.organisation, **values)
        return key, self.add_secret(key)

    def add_secret(self, key: int, **columns: object) -> str:
        secret = make_secret()
        digest = secret.digest(pepper=self.environment.key_pepper)
        self.insert("keys_keysecret", key_id=key, public_id=secret.public_id, digest=digest, **columns)
        return secret.text()

    def add_model(self, alias: str, *, prices: dict[str, str] = TWO_PRICES, **columns: object) -> int:
        values = {"max_output_tokens": 1000, "successor": "", "source": "manual", **columns}
        model = self.insert("catalog_languagemodel", provider="tiny labs", name=alias, title=alias, **values)
        for token_class, nano in prices.items():
            self.insert(
                "catalog_price",
                book_id=self.book,
                model_id=model,
                token_class=token_class,
                nano_per_unit=nano,
                from_input_tokens=0,
                service_tier="standard",
                effective_from="2026-01-01T00:00:00Z",
                source="test",
                snapshot_sha256="",
            )
        self.add_alias(alias, model=model, upstream_name=f"{alias}-2026")
        return model

    def add_alias(self, alias: str, *, model: int, upstream_name: str, connection: int | None = None) -> int:
        deployment = self.insert(
            "catalog_deployment",
            model_id=model,
            connection_id=connection or self.connection,
            upstream_name=upstream_name,
            region="",
            is_enabled=True,
        )
        alias_id = self.insert("catalog_modelalias", organisation_id=self.organisation, name=alias)
        return self.insert("catalog_aliastarget", alias_id=alias_id, deployment_id=deployment, position=0)

    def add_fallback(self, alias: str, *, model: int, connection: int, position: int = 1) -> int:
        """Let another deployment follow those of this alias; return it."""
        deployment = self.insert(
            "catalog_deployment",
            model_id=model,
            connection_id=connection,
            upstream_name=f"fallback-{position}",
            region="",
            is_enabled=True,
        )
        (row,) = self.rows("SELECT id FROM catalog_modelalias WHERE name = %s", alias)
        self.insert("catalog_aliastarget", alias_id=row["id"], deployment_id=deployment, position=position)
        return deployment

    def add_connection(self, base_url: str, *, credential: str = CREDENTIAL, **columns: object) -> int:
        values = {"provider": "openai_compatible", "options": "{}", "is_enabled": True, **columns}
        name = f"vendor {next(self._numbers)}"
        connection = self.insert(
            "connections_connection", organisation_id=self.organisation, name=name, base_url=base_url, **values
        )
        if credential:
            sealed = seal(credential, connection_id=connection, keys=self.environment.sealing_keys)
            self.insert(
                "connections_sealedcredential",
                connection_id=connection,
                sealing_key=sealed.key_id,
                nonce=sealed.nonce,
                ciphertext=sealed.ciphertext,
            )
        return connection

    def add_budget(self, limit_nano: int, **columns: object) -> int:
        values = {
            "name": f"budget {next(self._numbers)}",
            "team_id": self.team,
            "model_pattern": "",
            "window": "month",
            "zone": "UTC",
            "first_month": 1,
            "enforcement": "hard",
            **columns,
        }
        return self.insert("budgets_budget", organisation_id=self.organisation, limit_nano=limit_nano, **values)

    def add_rate_limit(self, amount: int, counts: str = "requests", **columns: object) -> int:
        """By default of the team, and per day: no test is so unlucky as to be there when it ends."""
        values = {
            "name": f"limit {next(self._numbers)}",
            "team_id": self.team,
            "window": None if counts == "concurrent" else "day",
            **columns,
        }
        return self.insert(
            "policy_ratelimit", organisation_id=self.organisation, counts=counts, amount=amount, **values
        )

    def account(self, budget: int) -> dict[str, Any]:
        (row,) = self.rows("SELECT * FROM budgets_account WHERE budget_id = %s", budget)
        return row

    async def at_rest(self, budget: int) -> dict[str, Any]:
        """Return the budget's account once nothing is held on it."""
        return await eventually(
            lambda: found if (found := self.account(budget))["held_nano"] == 0 else None, seconds=20
        )

    def records(self) -> list[dict[str, Any]]:
        return self.rows("SELECT * FROM ledger_usagerecord ORDER BY admitted_at")

    def attempts(self) -> list[dict[str, Any]]:
        return self.rows("SELECT * FROM metering_attempt ORDER BY admitted_at")

    async def recorded(self, count: int = 1) -> list[dict[str, Any]]:
        """Return the usage records once there are this many."""
        return await eventually(lambda: found if len(found := self.records()) >= count else None)

    async def suspended(self, count: int = 1) -> list[dict[str, Any]]:
        """Return the attempts in suspense once there are this many."""
        query = "SELECT * FROM metering_attempt ORDER BY admitted_at"
        return await eventually(lambda: found if len(found := self.rows(query)) >= count else None)


@dataclass
class Served:
    """A gateway that answers on a port, in this process."""

    gateway: Gateway
    url: str
    server: uvicorn.Server

    async def catch_up(self, world: World) -> None:
        """Return when the gateway has taken every change of policy so far."""
        version = world.rows("SELECT version FROM policy_version")[0]["version"]
        await eventually(lambda: True if self.gateway.keeper.version >= version else None)

    def client(self, key: str | None = None) -> httpx.AsyncClient:
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        limits = httpx.Limits(max_connections=None)
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=30, trust_env=False, limits=limits)

    def sdk(self, key: str) -> AsyncOpenAI:
        return AsyncOpenAI(base_url=f"{self.url}/v1", api_key=key)


class _Server(GatewayServer):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def serving(environment: Environment, limits: Limits) -> AsyncIterator[Served]:
    """Serve until the block ends."""
    async with open_gateway(environment, limits=limits) as gateway:
        server = _Server(gateway, host="127.0.0.1", port=0, loop="none", timeout_graceful_shutdown=2)
        task = asyncio.create_task(server.serve())
        try:
            await eventually(lambda: server.started or None)
            await eventually(lambda: (gateway.is_open and gateway.keeper.snapshot is not None) or None)
            port = server.servers[0].sockets[0].getsockname()[1]
            yield Served(gateway, f"http://127.0.0.1:{port}", server)
        finally:
            server.should_exit = True
            await task
            if gateway.in_flight:
                await asyncio.wait(tuple(gateway.in_flight), timeout=5)
