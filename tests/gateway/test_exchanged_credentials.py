"""A connection whose credential is exchanged for a token: got before the first call, renewed, and never a hindrance."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta

import pytest
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from governance.connections.tokens import Tokens
from governance.core.clock import utc_now
from governance.gateway.keeper import Keeper
from governance.gateway.limits import Limits
from governance.plugin.openai_chat import ChatConventions, OpenAIChatProvider, StreamUsage
from governance.plugin.provider import ConnectionSettings, Wire
from governance.plugin.tokens import TokenGrant, client_credentials
from governance.policy.opening import Opener
from tests.gateway.vendor import Vendor, VendorCall
from tests.gateway.world import CREDENTIAL, World, eventually


class Exchanging(OpenAIChatProvider):
    """Its token endpoint is the scripted vendor."""

    def __init__(self) -> None:
        super().__init__(
            name="exchanging",
            title="Exchanging",
            default_base_url="",
            needs_credential=True,
            conventions=ChatConventions(
                input_includes_cache=True, output_includes_reasoning=True, stream_usage=StreamUsage.ASK
            ),
        )

    def token_grant(self, *, connection: ConnectionSettings) -> TokenGrant | None:
        return client_credentials(
            url=f"{connection.base_url}/token", client_id="me", client_secret=connection.credential, scope="all"
        )


class Clock:
    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return utc_now() + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def make_keeper(
    world: World, database_urls: dict[str, str], limits: Limits, clock: Clock
) -> AsyncIterator[Callable[[], Keeper]]:
    world.execute("UPDATE connections_connection SET provider = 'exchanging'")
    pool = AsyncConnectionPool(database_urls["gateway"], min_size=1, open=False, kwargs={"autocommit": True})
    await pool.open(wait=True)
    tokens, running = Tokens(), []

    def make() -> Keeper:
        keeper = Keeper(
            pool=pool,
            listen=lambda: AsyncConnection.connect(database_urls["gateway"], autocommit=True),
            providers={"exchanging": Exchanging()},
            opener=Opener(world.environment.sealing_keys),
            tokens=tokens,
            clock=clock,
            limits=limits,
        )
        running.append(asyncio.create_task(keeper.run()))
        return keeper

    yield make
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    await tokens.close()
    await pool.close()


def bearer(keeper: Keeper, world: World) -> str | None:
    """Return what the deployment of `tiny` authorises with, once there is a snapshot; empty when it is out of use."""
    if keeper.snapshot is None:
        return None
    deployments = keeper.snapshot.aliases_of(world.organisation)["tiny"].deployments
    headers = deployments[0].upstreams[Wire.OPENAI_CHAT].headers if deployments else ()
    return dict(headers).get("authorization", "")


class Endpoint:
    """Gives numbered tokens while it may."""

    def __init__(self) -> None:
        self.given = 0
        self.may = asyncio.Event()
        self.may.set()

    async def __call__(self, call: VendorCall) -> None:
        await self.may.wait()
        assert f"client_secret={CREDENTIAL}" in call.body.decode()
        self.given += 1
        await call.reply(json.dumps({"access_token": f"token-{self.given}", "expires_in": 3600}).encode())


async def test_the_first_snapshot_has_its_token_and_a_renewed_one_takes_its_place(
    make_keeper: Callable[[], Keeper], world: World, vendor: Vendor, clock: Clock
) -> None:
    vendor.answer = Endpoint()
    keeper = make_keeper()
    assert await eventually(lambda: bearer(keeper, world)) == "Bearer token-1"
    clock.ahead = timedelta(minutes=50)
    await eventually(lambda: bearer(keeper, world) == "Bearer token-2" or None)
    assert len(vendor.calls) == 2


async def test_a_token_endpoint_that_hangs_does_not_hold_up_other_changes(
    make_keeper: Callable[[], Keeper], world: World, vendor: Vendor, clock: Clock
) -> None:
    endpoint = vendor.answer = Endpoint()
    keeper = make_keeper()
    await eventually(lambda: bearer(keeper, world))
    endpoint.may.clear()
    clock.ahead = timedelta(minutes=50)
    await eventually(lambda: len(vendor.calls) == 2 or None)
    world.add_model("another")
    await eventually(
        lambda: keeper.snapshot and keeper.snapshot.aliases_of(world.organisation).get("another"), seconds=5
    )
    assert bearer(keeper, world) == "Bearer token-1"
    endpoint.may.set()
    await eventually(lambda: bearer(keeper, world) == "Bearer token-2" or None)


async def test_a_refused_exchange_takes_its_own_deployments_out_of_use_and_nothing_else(
    make_keeper: Callable[[], Keeper], world: World, vendor: Vendor
) -> None:
    async def refuse(call: VendorCall) -> None:
        await call.reply(b'{"error":"invalid_client"}', status=401)

    vendor.answer = refuse
    keeper = make_keeper()
    assert await eventually(lambda: bearer(keeper, world)) == ""
