"""Begins a job: its worst case is held and it is written down before its vendor hears of it.

If the process dies in between, or no answer comes, nobody knows whether the vendor has the job: its money stays held.
"""

import asyncio
from typing import Final

import structlog

from governance.core.errors import GovernanceUnavailable, ProviderTimedOut, ProviderUnavailable
from governance.core.money import usd_text
from governance.gateway.allowance import rated
from governance.gateway.app import Gateway
from governance.gateway.errors import ReplyUnusable
from governance.gateway.exchange import Exchange
from governance.gateway.jobs.asking import Told, Vendor, send
from governance.gateway.jobs.lines import Lines
from governance.gateway.replies import header_value, timed_out, vendor_failure
from governance.gateway.transport import NothingSent, TransportFailed
from governance.gateway.watchdog import Overdue
from governance.jobs.hot import shown_text
from governance.metering.durable import DurableClaim
from governance.plugin.errors import UsageUnreadable
from governance.plugin.jobs import JobKind, JobReading
from governance.plugin.provider import Billing, Upstream, Wire
from governance.policy.snapshot import KeyPolicy

_NOTE_SECONDS: Final = (0.5, 1.0, 2.0, 4.0, 8.0)
"""A job that the vendor has taken is worth waiting for a database that is away for a moment."""

_log = structlog.get_logger("bursar.gateway")


class Beginning:
    """One job on its way to its vendor."""

    def __init__(self, gateway: Gateway, exchange: Exchange, *, kind: JobKind, wire: Wire) -> None:
        self._gateway = gateway
        self._exchange = exchange
        self._kind = kind
        self._wire = wire

    async def run(self, lines: Lines, *, policy: KeyPolicy, upstream: Upstream, body: bytes) -> Told:
        """Hold, write down, send, and write down what came of it. The vendor's refusal is returned like its answer.

        Raises BudgetExceeded, BudgetHeld or another BursarError.
        """
        claim, vendor = await lines.claim(), lines.vendor
        if not policy.rate_limits:
            return await self._send(claim, vendor, upstream, body)
        async with rated(self._gateway, self._exchange, policy=policy, quotes=[lines.first], tokens=lines.tokens):
            return await self._send(claim, vendor, upstream, body)

    async def _send(self, durable: DurableClaim, vendor: Vendor, upstream: Upstream, body: bytes) -> Told:
        jobs, facts, job_id = self._gateway.vendors.jobs, self._exchange.facts, durable.claim.attempt_id
        await jobs.begin(durable, kind=self._kind)
        facts.attempt_id = job_id
        try:
            told = await send(self._gateway, self._exchange, vendor, upstream, body)
        except NothingSent as error:
            await jobs.drop(job_id, reason="not_sent")
            raise vendor_failure(error, provider=vendor.provider.title) from error
        except (TransportFailed, Overdue) as error:
            facts.was_sent = True
            raise self._lost(error, vendor) from error
        facts.was_sent = True
        if told.status >= 300:
            if self._is_unbilled(vendor, told):
                await jobs.drop(job_id, reason="vendor_error")
            return told
        await self._note(durable, vendor, told)
        told.headers.append((b"x-bursar-attempt-id", str(job_id).encode()))
        told.headers.append((b"x-bursar-model", header_value(durable.claim.attribution.alias)))
        told.headers.append((b"x-bursar-reserved-usd", usd_text(durable.claim.want_nano).encode()))
        return told

    def _lost(self, error: TransportFailed | Overdue, vendor: Vendor) -> ProviderUnavailable | ProviderTimedOut:
        if isinstance(error, Overdue):
            return timed_out(provider=vendor.provider.title)
        return vendor_failure(error, provider=vendor.provider.title)

    def _is_unbilled(self, vendor: Vendor, told: Told) -> bool:
        try:
            reading = vendor.provider.read_error(wire=self._wire, status=told.status, body=told.body)
            return reading.billing is Billing.UNBILLED
        except Exception:  # noqa: BLE001 - a plugin's own fault costs this job its proof, not the client its answer
            _log.exception("plugin_failed", provider=vendor.provider.name, doing="read_error")
            return False

    async def _note(self, durable: DurableClaim, vendor: Vendor, told: Told) -> None:
        """Write down what the vendor calls the job. Raises ReplyUnusable or GovernanceUnavailable."""
        job_id = durable.claim.attempt_id
        reading, shown = self._read(vendor, told), shown_text(self._kind, told.body)
        for seconds in (*_NOTE_SECONDS, None):
            try:
                await self._gateway.vendors.jobs.note(job_id, reading, shown=shown)
            except GovernanceUnavailable:
                if seconds is None:
                    _log.exception("job_not_noted", job_id=str(job_id), vendor_id=reading.id)
                    raise
                await asyncio.sleep(seconds)
            else:
                return

    def _read(self, vendor: Vendor, told: Told) -> JobReading:
        try:
            return vendor.provider.read_job(kind=self._kind, body=told.body)
        except UsageUnreadable as error:
            raise ReplyUnusable(
                f"{vendor.provider.title} took the job and answered something that Bursar cannot read, so that nobody "
                "here can ask for it. Its cost stays reserved until it is known."
            ) from error
