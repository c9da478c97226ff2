"""Asks a vendor about a job and passes its answer on: no money is at stake here, only whose job it is."""

import time
from typing import NamedTuple

from governance.connections.secrets import secrets_of
from governance.core.errors import NotFound, ProviderUnavailable
from governance.gateway.app import Gateway
from governance.gateway.errors import ReplyUnusable
from governance.gateway.exchange import Exchange, Headers
from governance.gateway.replies import masked, passed_headers, timed_out, vendor_failure
from governance.gateway.transport import Reply, TransportFailed
from governance.gateway.watchdog import Overdue, Patience, Waiting
from governance.jobs.hot import JobRow, shown_text
from governance.plugin.errors import UsageUnreadable
from governance.plugin.jobs import JobKind, JobProvider, takes_jobs
from governance.plugin.provider import ConnectionSettings, Upstream
from governance.policy.snapshot import KeyPolicy, PolicySnapshot


class Vendor(NamedTuple):
    """A connection that works, and the provider that describes what to ask there."""

    provider: JobProvider
    settings: ConnectionSettings


class Told(NamedTuple):
    """What a vendor answered, whole, as its client may see it."""

    status: int
    headers: Headers
    body: bytes


async def find(
    gateway: Gateway, policy: KeyPolicy, snapshot: PolicySnapshot, *, kind: JobKind, vendor_id: str, hint: str = ""
) -> tuple[JobRow, Vendor]:
    """Return the job of this name, if it is the team's; `hint` is what else to say where there is none.

    Raises NotFound, ProviderUnavailable or GovernanceUnavailable.
    """
    job = await gateway.vendors.jobs.find(team_id=policy.team_id, kind=kind, vendor_id=vendor_id)
    if job is None:
        raise NotFound(
            f"The team {policy.team_name!r} has nothing here that is named {vendor_id[:128]!r}: use the id that was "
            f"answered when it was made through Bursar, and a key of the team that made it.{hint}"
        )
    return job, vendor_at(snapshot, policy, connection_id=job.connection_id)


def vendor_at(snapshot: PolicySnapshot, policy: KeyPolicy, *, connection_id: int) -> Vendor:
    """Return the connection, by any deployment through it. Raises ProviderUnavailable."""
    for alias in snapshot.aliases_of(policy.organisation_id).values():
        for deployment in alias.deployments:
            if deployment.connection.id == connection_id and takes_jobs(deployment.provider):
                return Vendor(deployment.provider, deployment.connection)
    raise ProviderUnavailable(
        "The connection through which this was made does not work any more, or is disabled: whoever administers Bursar "
        "must mend it."
    )


async def ask_about(gateway: Gateway, exchange: Exchange, job: JobRow, vendor: Vendor, upstream: Upstream) -> Told:
    """Ask about a job, and write down how it stands. Raises as `ask` does, and GovernanceUnavailable."""
    told = await ask(gateway, exchange, vendor, upstream)
    if told.status == 200:
        try:
            reading = vendor.provider.read_job(kind=JobKind(job.kind), body=told.body)
        except UsageUnreadable:
            return told
        if reading.id == job.vendor_id:
            await gateway.vendors.jobs.note(job.id, reading, shown=shown_text(job.kind, told.body))
    return told


async def ask(gateway: Gateway, exchange: Exchange, vendor: Vendor, upstream: Upstream, *, body: bytes = b"") -> Told:
    """Ask something that costs nothing. Raises ProviderUnavailable, ProviderTimedOut or ReplyUnusable."""
    try:
        return await send(gateway, exchange, vendor, upstream, body)
    except TransportFailed as error:
        raise vendor_failure(error, provider=vendor.provider.title) from error
    except Overdue as overdue:
        raise timed_out(provider=vendor.provider.title) from overdue


async def send(gateway: Gateway, exchange: Exchange, vendor: Vendor, upstream: Upstream, body: bytes = b"") -> Told:
    """Send a request and return the whole answer. Raises TransportFailed, Overdue or ReplyUnusable."""
    limits, now = gateway.vendors.limits, time.monotonic()
    with gateway.vendors.watchdog.watch(exchange.task, ends_at=now + limits.total_seconds) as patience:
        patience.until(now + limits.first_byte_seconds + limits.connect_seconds, Waiting.FIRST_BYTE)
        reply = await gateway.vendors.transport.send(upstream=upstream, body=body)
        try:
            return await _told(gateway, vendor, reply, patience)
        finally:
            await reply.close()


async def pass_on(gateway: Gateway, exchange: Exchange, vendor: Vendor, upstream: Upstream) -> None:
    """Pass an answer of any length on as it comes. What breaks off after it began is closed, not completed.

    Raises ProviderUnavailable, ProviderTimedOut, ReplyUnusable or ClientGone.
    """
    limits, now = gateway.vendors.limits, time.monotonic()
    try:
        with gateway.vendors.watchdog.watch(exchange.task, ends_at=now + limits.total_seconds) as patience:
            patience.until(now + limits.first_byte_seconds + limits.connect_seconds, Waiting.FIRST_BYTE)
            reply = await gateway.vendors.transport.send(upstream=upstream, body=b"")
            try:
                if reply.status != 200:
                    await exchange.respond(*await _told(gateway, vendor, reply, patience))
                else:
                    await _relay(gateway, exchange, vendor, reply, patience)
            finally:
                await reply.close()
    except (TransportFailed, Overdue) as error:
        if exchange.has_started:
            exchange.abort()
            return
        if isinstance(error, Overdue):
            raise timed_out(provider=vendor.provider.title) from error
        raise vendor_failure(error, provider=vendor.provider.title) from error


async def _relay(gateway: Gateway, exchange: Exchange, vendor: Vendor, reply: Reply, patience: Patience) -> None:
    limits = gateway.vendors.limits
    await exchange.start(200, passed_headers(reply.headers, secrets=secrets_of(vendor.settings.credential)))
    while chunk := await reply.next_chunk():
        patience.until(time.monotonic() + limits.write_stall_seconds, Waiting.CLIENT)
        await exchange.write(chunk, is_last=False)
        patience.until(time.monotonic() + limits.idle_seconds, Waiting.NEXT_BYTE)
    patience.until(time.monotonic() + limits.write_stall_seconds, Waiting.CLIENT)
    await exchange.write(b"", is_last=True)


async def _told(gateway: Gateway, vendor: Vendor, reply: Reply, patience: Patience) -> Told:
    secrets = secrets_of(vendor.settings.credential)
    limits = gateway.vendors.limits
    body = bytearray()
    while chunk := await reply.next_chunk():
        patience.until(time.monotonic() + limits.idle_seconds, Waiting.NEXT_BYTE)
        body += chunk
        if len(body) > limits.reply_bytes:
            raise ReplyUnusable(f"The answer of {vendor.provider.title} is larger than {limits.reply_bytes} bytes.")
    shown = masked(bytes(body), secrets=secrets) if reply.status >= 400 else bytes(body)
    return Told(reply.status, passed_headers(reply.headers, secrets=secrets), shown)
