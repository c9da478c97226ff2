"""Opting in and out of storing prompts, reading one, and erasing: each known to the trail, by whom and why."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID, uuid4

import msgspec
from django.db import connection, transaction

from governance.audit import operations as audit
from governance.audit.operations import Actor
from governance.connections.sealing import Sealed, seal_secret, unseal_secret
from governance.core.environment import SealingKey
from governance.prompts.envelope import Conversation, data_key_owner, make_data_key, open_conversation
from governance.prompts.errors import PromptNotFound, StoringRefused
from governance.prompts.models import PromptStorage, StoredPrompt
from governance.prompts.queries import existing_prompt
from governance.teams import queries as teams
from governance.teams.models import Team

MOST_DAYS: Final = 400
LEAST_BYTES: Final = 1024
MOST_BYTES: Final = 4 * 1024 * 1024


class StoringWish(msgspec.Struct, frozen=True, kw_only=True):
    """For how many days, and up to how many bytes of a request and of its reply."""

    days: int
    max_bytes: int


@transaction.atomic
def turn_on(*, actor: Actor, team_id: int, wish: StoringWish, sealing_keys: Sequence[SealingKey]) -> PromptStorage:
    """Store the team's prompts from now on, or change how. Raises TeamNotFound, StoringRefused, SealBroken."""
    team = teams.team(team_id=team_id, is_locked=True)
    if not 0 < wish.days <= MOST_DAYS:
        raise StoringRefused(f"Prompts are stored for 1 to {MOST_DAYS} days.")
    if not LEAST_BYTES <= wish.max_bytes <= MOST_BYTES:
        raise StoringRefused(
            f"Of a request and of a reply {LEAST_BYTES // 1024} KiB to {MOST_BYTES // 1024**2} MiB are stored."
        )
    storage = PromptStorage.objects.filter(team=team).first()
    before = _facts(storage)
    if storage is None:
        storage = PromptStorage(team=team)
        _give_key(storage, make_data_key(), sealing_keys=sealing_keys)
    storage.days, storage.max_bytes = wish.days, wish.max_bytes
    storage.save()
    if _facts(storage) != before:
        _record(actor, team, "team.prompts_stored", before=before, after=_facts(storage))
    return storage


@transaction.atomic
def turn_off(*, actor: Actor, team_id: int, reason: str = "") -> int:
    """Store nothing of the team's any more, erase what is stored, and its key; return how many requests that were."""
    team = teams.team(team_id=team_id, is_locked=True)
    storage = PromptStorage.objects.filter(team=team).first()
    gone, _ = StoredPrompt.objects.filter(team=team).delete()
    if storage is not None:
        before = _facts(storage)
        storage.delete()
        _record(actor, team, "team.prompts_not_stored", before=before, after={"is_on": False}, reason=reason)
    return gone


@transaction.atomic
def erase_team(*, actor: Actor, team_id: int, reason: str, sealing_keys: Sequence[SealingKey]) -> int:
    """Erase what is stored of a team, and the key that opens copies of it; go on storing under a new one.

    Return how many requests that were. Raises TeamNotFound, StoringRefused without a reason.
    """
    _need(reason)
    team = teams.team(team_id=team_id, is_locked=True)
    gone, _ = StoredPrompt.objects.filter(team=team).delete()
    storage = PromptStorage.objects.filter(team=team).first()
    if storage is not None:
        _give_key(storage, make_data_key(), sealing_keys=sealing_keys)
        storage.save()
    _record(actor, team, "team.prompts_erased", before=None, after={"requests": gone}, reason=reason)
    return gone


@transaction.atomic
def erase_request(*, actor: Actor, request_id: UUID, reason: str) -> None:
    """Erase what is stored of one request. Raises PromptNotFound, StoringRefused without a reason."""
    _need(reason)
    prompt = existing_prompt(request_id=request_id)
    StoredPrompt.objects.filter(request_id=request_id, asked_at=prompt.asked_at).delete()
    audit.record(actor=actor, action="prompt.erased", subject=f"request:{request_id}", reason=reason)


@transaction.atomic
def read(*, actor: Actor, request_id: UUID, sealing_keys: Sequence[SealingKey], reason: str = "") -> Conversation:
    """Return what is stored of a request; that somebody read it is in the trail. Raises PromptNotFound, SealBroken."""
    prompt = existing_prompt(request_id=request_id)
    storage = PromptStorage.objects.filter(team_id=prompt.team_id, data_key_id=prompt.data_key_id).first()
    if storage is None:
        raise PromptNotFound(f"What was stored of the request {request_id} was erased: its key is gone.")
    conversation = open_conversation(
        bytes(prompt.ciphertext),
        nonce=bytes(prompt.nonce),
        data_key=_data_key(storage, sealing_keys=sealing_keys),
        team_id=prompt.team_id,
        request_id=request_id,
    )
    audit.record(
        actor=actor,
        action="prompt.read",
        subject=f"request:{request_id}",
        after={"team_id": prompt.team_id},
        reason=reason,
    )
    return conversation


@transaction.atomic
def reseal_all(*, actor: Actor, sealing_keys: Sequence[SealingKey]) -> int:
    """Seal with the first key the data keys that older ones sealed; return how many. Raises SealBroken."""
    outdated = PromptStorage.objects.select_for_update(no_key=True).exclude(sealing_key=sealing_keys[0].key_id)
    count = 0
    for storage in outdated.order_by("team_id").select_related("team"):
        former = storage.sealing_key
        data_key = _data_key(storage, sealing_keys=sealing_keys)
        _seal_key(storage, data_key, sealing_keys=sealing_keys)
        storage.save()
        _record(
            actor,
            storage.team,
            "team.prompt_key_resealed",
            before={"sealing_key": former},
            after={"sealing_key": storage.sealing_key},
        )
        count += 1
    return count


def forget_old(*, at: datetime) -> int:
    """Forget what is older than its team wants; may run at any time. Return how many requests went one by one."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT prompts_forget_old(%s)", [at])
        (gone,) = cursor.fetchone()
    return int(gone)


def make_partitions(*, days_ahead: int) -> None:
    """Make the partitions of the coming days; may run at any time."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT prompts_make_partitions(%s)", [days_ahead])


def _give_key(storage: PromptStorage, data_key: bytes, *, sealing_keys: Sequence[SealingKey]) -> None:
    storage.data_key_id = uuid4()
    _seal_key(storage, data_key, sealing_keys=sealing_keys)


def _seal_key(storage: PromptStorage, data_key: bytes, *, sealing_keys: Sequence[SealingKey]) -> None:
    owner = data_key_owner(team_id=storage.team_id, data_key_id=storage.data_key_id)
    sealed = seal_secret(data_key, owner=owner, keys=sealing_keys)
    storage.sealing_key, storage.nonce, storage.ciphertext = sealed.key_id, sealed.nonce, sealed.ciphertext


def _data_key(storage: PromptStorage, *, sealing_keys: Sequence[SealingKey]) -> bytes:
    owner = data_key_owner(team_id=storage.team_id, data_key_id=storage.data_key_id)
    sealed = Sealed(storage.sealing_key, bytes(storage.nonce), bytes(storage.ciphertext))
    return unseal_secret(sealed, owner=owner, keys=sealing_keys)


def _need(reason: str) -> None:
    if not reason.strip():
        raise StoringRefused("Say why: an erasure needs a reason, which the audit trail keeps.")


def _facts(storage: PromptStorage | None) -> dict[str, object]:
    if storage is None:
        return {"is_on": False}
    return {"is_on": True, "days": storage.days, "max_bytes": storage.max_bytes}


def _record(
    actor: Actor,
    team: Team,
    action: str,
    *,
    before: dict[str, object] | None,
    after: dict[str, object],
    reason: str = "",
) -> None:
    audit.record(actor=actor, action=action, subject=f"team:{team.pk}", before=before, after=after, reason=reason)
