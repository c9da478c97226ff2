"""Calls of teams that store prompts: what was asked and answered is handed to the writer when the call is over."""

import contextlib
from collections.abc import AsyncIterator
from datetime import datetime

from governance.gateway.app import Gateway
from governance.gateway.exchange import Exchange
from governance.gateway.legs import Call
from governance.gateway.prompt_writer import Said
from governance.prompts.envelope import Conversation
from governance.prompts.hot import StoringPolicy


@contextlib.asynccontextmanager
async def stored(
    gateway: Gateway, exchange: Exchange, call: Call, policy: StoringPolicy, *, at: datetime
) -> AsyncIterator[None]:
    """Store this call, if anything of it was sent or answered: as guards let it pass, as its client saw it."""
    recording = exchange.record(policy.max_bytes)
    try:
        yield
    finally:
        facts = exchange.facts
        request, reply = call.renditions.native.members.body, recording.body
        if facts.was_sent:
            gateway.vendors.prompts.offer(
                Said(
                    request_id=exchange.request_id,
                    asked_at=at,
                    organisation_id=call.policy.organisation_id,
                    team_id=call.policy.team_id,
                    key_id=call.policy.key_id,
                    attempt_id=facts.attempt_id,
                    alias=facts.alias,
                    wire=call.renditions.native.wire,
                    status=recording.status,
                    is_cut=recording.is_cut or max(len(request), len(reply)) > policy.max_bytes,
                    conversation=Conversation(request[: policy.max_bytes], reply[: policy.max_bytes]),
                    policy=policy,
                )
            )
