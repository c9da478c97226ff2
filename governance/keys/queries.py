"""Reading virtual keys: never their secrets."""

from datetime import datetime
from enum import StrEnum

from django.db.models import Prefetch, Q, QuerySet

from governance.keys.errors import KeyNotFound
from governance.keys.models import KeySecret, VirtualKey
from governance.keys.secret import PREFIX
from governance.teams.access import Access


class KeyState(StrEnum):
    """Whether a key works."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


def key(*, key_id: int, is_locked: bool = False) -> VirtualKey:
    """Return the key, locked for a change if asked. Raises KeyNotFound."""
    keys = VirtualKey.objects.select_for_update(no_key=True) if is_locked else VirtualKey.objects
    found = keys.filter(id=key_id).first()
    if found is None:
        raise KeyNotFound(f"There is no virtual key with the id {key_id}.")
    return found


def key_named(*, text: str) -> VirtualKey:
    """Return the key that somebody means by its id, or by the beginning of its text (`bsr_…`). Raises KeyNotFound.

    What follows the public id is ignored and never repeated, so that a whole key pasted here does no harm.
    """
    if text.isascii() and text.isdigit() and len(text) <= len(str(2**63)) - 1:
        return key(key_id=int(text))
    public_id = text.removeprefix(f"{PREFIX}_").partition("_")[0]
    found = VirtualKey.objects.filter(secrets__public_id=public_id).first()
    if found is None:
        raise KeyNotFound("There is no such virtual key: name it by its id or its prefix, as `bursar keys list` shows.")
    return found


def keys_of(*, organisation_id: int, team_id: int | None = None) -> QuerySet[VirtualKey]:
    """Return the keys, newest first, ready to be listed."""
    keys = _listed().filter(organisation_id=organisation_id)
    return keys.filter(team_id=team_id) if team_id is not None else keys


def visible_keys(*, access: Access) -> QuerySet[VirtualKey]:
    """Return the keys this person may see, newest first, ready to be listed. The rule is `Access.may_see_key`."""
    return _listed().filter(
        Q(organisation_id__in=access.organisations_seen_whole())
        | Q(team_id__in=access.owned_team_ids())
        | Q(team_id__in=access.team_ids(), user_id=access.user_id)
    )


def state(*, key: VirtualKey, at: datetime) -> KeyState:
    """Return whether the key works at that instant."""
    if key.revoked_at is not None and key.revoked_at <= at:
        return KeyState.REVOKED
    if key.expires_at is not None and key.expires_at <= at:
        return KeyState.EXPIRED
    return KeyState.ACTIVE


def prefix(*, key: VirtualKey) -> str:
    """Return the visible beginning of the key's newest text."""
    newest = max(key.secrets.all(), key=lambda secret: secret.pk, default=None)
    return f"{PREFIX}_{newest.public_id}" if newest is not None else PREFIX


def _listed() -> QuerySet[VirtualKey]:
    visible = KeySecret.objects.only("id", "key_id", "public_id", "expires_at", "created_at")
    return VirtualKey.objects.select_related("team", "user", "use").prefetch_related(Prefetch("secrets", visible))
