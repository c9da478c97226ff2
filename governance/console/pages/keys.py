"""What the key pages show: never a secret, except the one just made."""

from dataclasses import dataclass
from datetime import datetime

from governance.console.viewer import Viewer
from governance.keys import queries
from governance.keys.models import KeySecret, VirtualKey
from governance.keys.operations import IssuedKey
from governance.keys.queries import KeyState


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
class IssuedPage:
    """A key's text, shown once, with calls ready to paste."""

    key: VirtualKey
    text: str
    curl: str
    python: str
    is_rotated: bool


def key_lines(*, viewer: Viewer, now: datetime) -> list[KeyLine]:
    """Return the keys that the viewer sees: working ones first, then the newest."""
    lines = [_line(viewer, key, now) for key in viewer.visible_keys()]
    return sorted(lines, key=lambda line: not line.is_active)


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
