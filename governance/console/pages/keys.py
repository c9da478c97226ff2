"""What the key pages show: never a secret, except the one just made."""

import re
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Case, Q, QuerySet, When

from governance.keys import queries
from governance.keys.models import KeySecret, VirtualKey
from governance.keys.operations import IssuedKey
from governance.keys.queries import KeyState
from governance.viewing.viewer import Viewer

PAGE_SIZE = 50
_CURSOR = re.compile(r"([01])\.([0-9]{1,18})")


@dataclass(frozen=True, kw_only=True)
class KeyLine:
    """One key as it is listed."""

    key: VirtualKey
    prefix: str
    state: KeyState
    last_used_at: datetime | None
    may_change: bool

    @property
    def is_active(self) -> bool:
        """Whether calls with it are accepted."""
        return self.state is KeyState.ACTIVE


@dataclass(frozen=True, kw_only=True)
class KeyPage:
    """One key with its secrets (their visible beginnings), the newest first."""

    line: KeyLine
    secrets: list[KeySecret]


@dataclass(frozen=True, kw_only=True)
class KeysPage:
    """One page of the list. `next_cursor` is "" on the last one."""

    lines: list[KeyLine]
    next_cursor: str
    is_first: bool

    @property
    def can_be_revoked(self) -> bool:
        """Whether any of them is the viewer's to revoke."""
        return any(line.may_change and line.is_active for line in self.lines)


@dataclass(frozen=True, kw_only=True)
class IssuedPage:
    """A key's text, shown once, with calls ready to paste."""

    key: VirtualKey
    text: str
    curl: str
    python: str
    is_rotated: bool


def keys_page(*, viewer: Viewer, keys: QuerySet[VirtualKey], now: datetime, cursor: str) -> KeysPage:
    """Return the page of these keys after the cursor ("": the first): working ones first, then the newest."""
    ended = Case(When(Q(revoked_at__lte=now) | Q(expires_at__lte=now), then=1), default=0)
    ordered = keys.annotate(ended=ended).order_by("ended", "-id")
    if position := _CURSOR.fullmatch(cursor):
        has_ended, key_id = map(int, position.groups())
        ordered = ordered.filter(Q(ended__gt=has_ended) | Q(ended=has_ended, id__lt=key_id))
    found = list(ordered[: PAGE_SIZE + 1])
    shown = [_line(viewer, key, now) for key in found[:PAGE_SIZE]]
    last = shown[-1] if len(found) > PAGE_SIZE else None
    return KeysPage(
        lines=shown,
        next_cursor=f"{int(not last.is_active)}.{last.key.pk}" if last is not None else "",
        is_first=position is None,
    )


def key_lines(*, viewer: Viewer, keys: QuerySet[VirtualKey], now: datetime) -> list[KeyLine]:
    """Return all of these keys, by name."""
    return [_line(viewer, key, now) for key in keys.order_by("name", "id")]


def newest_key_lines(*, viewer: Viewer, keys: QuerySet[VirtualKey], now: datetime, limit: int) -> list[KeyLine]:
    """Return the first of these keys, working ones first, then the newest."""
    return keys_page(viewer=viewer, keys=keys, now=now, cursor="").lines[:limit]


def key_page(*, viewer: Viewer, key_id: int, now: datetime) -> KeyPage | None:
    """Return one key that the viewer sees, or None."""
    key = viewer.visible_keys().filter(id=key_id).first()
    if key is None:
        return None
    secrets = sorted(key.secrets.all(), key=lambda secret: -secret.pk)
    return KeyPage(line=_line(viewer, key, now), secrets=secrets)


def issued_page(*, issued: IssuedKey, gateway_url: str, model: str, is_rotated: bool) -> IssuedPage:
    """Return the page that shows the text, with a first call to `model`."""
    curl = (
        f"curl {gateway_url}/v1/chat/completions \\\n"
        f'  -H "Authorization: Bearer {issued.text}" \\\n'
        f'  -H "Content-Type: application/json" \\\n'
        f'  -d \'{{"model": "{model}", "messages": [{{"role": "user", "content": "Hello"}}]}}\''
    )
    python = (
        "from openai import OpenAI\n\n"
        f'client = OpenAI(base_url="{gateway_url}/v1", api_key="{issued.text}")\n'
        "reply = client.chat.completions.create(\n"
        f'    model="{model}", messages=[{{"role": "user", "content": "Hello"}}]\n'
        ")\n"
        "print(reply.choices[0].message.content)"
    )
    return IssuedPage(key=issued.key, text=issued.text, curl=curl, python=python, is_rotated=is_rotated)


def _line(viewer: Viewer, key: VirtualKey, now: datetime) -> KeyLine:
    use = getattr(key, "use", None)
    return KeyLine(
        key=key,
        prefix=queries.prefix(key=key),
        state=queries.state(key=key, at=now),
        last_used_at=use.last_used_at if use is not None else None,
        may_change=viewer.may_change_key(key),
    )
