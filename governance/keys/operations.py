"""Writing virtual keys. The text of a key exists only in what `issue` and `rotate` return; nothing keeps it."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

import msgspec
from django.db import transaction

from governance.audit import operations as audit
from governance.audit.operations import Actor
from governance.keys import queries
from governance.keys.errors import KeyRefused, KeyRevoked
from governance.keys.models import KeySecret, VirtualKey
from governance.keys.secret import make_secret
from governance.plugin.usage import MAX_COUNT
from governance.teams import queries as teams
from governance.teams.models import Team
from governance.teams.names import clean_name, clean_tags

LONGEST_GRACE = timedelta(days=90)


class NewKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key to be issued. Without `user_id` it belongs to the team as a whole."""

    team_id: int
    name: str
    user_id: int | None = None
    default_tags: Mapping[str, str] = {}
    default_max_output_tokens: int | None = None
    expires_at: datetime | None = None


class IssuedKey(msgspec.Struct, frozen=True):
    """A key and its text, which is shown once and kept nowhere."""

    key: VirtualKey
    text: str

    def __repr__(self) -> str:
        return f"IssuedKey(key={self.key.pk})"


@transaction.atomic
def issue(*, actor: Actor, at: datetime, pepper: bytes, new: NewKey) -> IssuedKey:
    """Make a key. Raises TeamNotFound, PersonNotFound, KeyRefused, NameRefused."""
    team = teams.team(team_id=new.team_id)
    _refuse_impossible(team, new, at)
    user = teams.person(user_id=new.user_id) if new.user_id is not None else None
    key = VirtualKey.objects.create(
        organisation_id=team.organisation_id,
        team=team,
        user=user,
        name=clean_name(new.name, what="key's name"),
        default_tags=clean_tags(new.default_tags),
        default_max_output_tokens=new.default_max_output_tokens,
        expires_at=new.expires_at,
    )
    text, public_id = _add_secret(key, pepper=pepper)
    audit.record(actor=actor, action="key.issued", subject=f"key:{key.id}", after=_facts(key) | {"prefix": public_id})
    return IssuedKey(key, text)


@transaction.atomic
def revoke(*, actor: Actor, at: datetime, key_id: int, reason: str = "") -> VirtualKey:
    """Stop the key for good: no gateway accepts it a second later. Revoking twice changes nothing."""
    key = queries.key(key_id=key_id, is_locked=True)
    if key.revoked_at is not None:
        return key
    key.revoked_at = at
    key.save(update_fields=["revoked_at"])
    audit.record(
        actor=actor,
        action="key.revoked",
        subject=f"key:{key.id}",
        after={"revoked_at": at.isoformat()},
        reason=reason,
    )
    return key


@transaction.atomic
def revoke_all(*, actor: Actor, at: datetime, key_ids: Collection[int], reason: str = "") -> list[VirtualKey]:
    """Stop these keys for good, all or none of them, with an event of the trail for each."""
    return [revoke(actor=actor, at=at, key_id=key_id, reason=reason) for key_id in sorted(set(key_ids))]


@transaction.atomic
def rotate(*, actor: Actor, at: datetime, key_id: int, pepper: bytes, grace: timedelta) -> IssuedKey:
    """Give the key a new text; the old ones work for the length of `grace`. Raises KeyRevoked, KeyRefused."""
    key = queries.key(key_id=key_id, is_locked=True)
    if not timedelta(0) <= grace <= LONGEST_GRACE:
        raise KeyRefused(f"A grace period lasts from nothing to {LONGEST_GRACE.days} days: give a shorter one.")
    if key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= at):
        raise KeyRevoked(f"The key {key.name!r} does not work any more: issue a new one instead of rotating it.")
    ends_at = at + grace
    for secret in key.secrets.select_for_update(no_key=True).order_by("id"):
        if secret.expires_at is None or secret.expires_at > ends_at:
            secret.expires_at = ends_at
            secret.save(update_fields=["expires_at"])
    text, public_id = _add_secret(key, pepper=pepper)
    audit.record(
        actor=actor,
        action="key.rotated",
        subject=f"key:{key.id}",
        after={"prefix": public_id, "former_secrets_expire_at": ends_at.isoformat()},
    )
    return IssuedKey(key, text)


def _refuse_impossible(team: Team, new: NewKey, at: datetime) -> None:
    if team.archived_at is not None:
        raise KeyRefused(f"The team {team} is archived: issue the key for another team.")
    if new.expires_at is not None and new.expires_at <= at:
        raise KeyRefused("The key would expire before it is issued: give a time in the future.")
    maximum = new.default_max_output_tokens
    if maximum is not None and not 0 < maximum <= MAX_COUNT:
        raise KeyRefused(f"{maximum} is no maximum of output tokens: give a whole number above zero.")


def _add_secret(key: VirtualKey, *, pepper: bytes) -> tuple[str, str]:
    made = make_secret()
    KeySecret.objects.create(key=key, public_id=made.public_id, digest=made.digest(pepper=pepper))
    return made.text(), made.public_id


def _facts(key: VirtualKey) -> dict[str, object]:
    return {
        "name": key.name,
        "team_id": key.team_id,
        "user_id": key.user_id,
        "default_tags": key.default_tags,
        "default_max_output_tokens": key.default_max_output_tokens,
        "expires_at": key.expires_at.isoformat() if key.expires_at is not None else None,
    }
