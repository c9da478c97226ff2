"""What commands read from their arguments: instants, pairs, values kept in variables. Pure."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path

from governance.core.errors import BadRequest


def instant(text: str | None) -> datetime | None:
    """Return the instant an ISO text names; without a zone it is UTC. Raises BadRequest."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadRequest(f"{text!r} is no date and time: give one such as 2026-12-31T23:59:00+01:00.") from error
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def calendar_day(text: str) -> date:
    """Return the day that an ISO text names. Raises BadRequest."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise BadRequest(f"{text!r} is no day: give one such as 2026-12-31.") from error


def pairs(texts: Iterable[str], *, what: str) -> dict[str, str]:
    """Return `name=value` texts as a mapping. Raises BadRequest."""
    found: dict[str, str] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise BadRequest(f"{text!r} is no {what}: write name=value.")
        if name in found:
            raise BadRequest(f"The {what} {name!r} is given twice: give it once.")
        found[name] = value
    return found


def value_of(variable: str | None, *, variables: Mapping[str, str]) -> str:
    """Return what an environment variable holds; nothing without a name. Raises BadRequest when it is empty."""
    if variable is None:
        return ""
    value = variables.get(variable, "").strip()
    if not value:
        raise BadRequest(f"The environment variable {variable} is empty or not set: put the secret there.")
    return value


def file_content(path: str) -> bytes:
    """Return what is in the file. Raises BadRequest."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise BadRequest(f"{path} cannot be read ({error.strerror}): name a file that is there.") from error
