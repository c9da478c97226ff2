"""What LiteLLM says of its teams and keys, as its management API answers it or its tables hold it. Pure.

Sources: the proxy's `/team/list` (a list of teams) and `/key/list?return_full_object=true` (`{"keys": [...]}`),
and its tables as in `schema.prisma` (LiteLLM_TeamTable, LiteLLM_VerificationToken, LiteLLM_UserTable,
LiteLLM_OrganizationTable, LiteLLM_BudgetTable), as of autumn 2026; for what the fields mean docs.litellm.ai on virtual
keys, users and team budgets.
A key is kept as the SHA-256 of its text, so that texts cannot be carried over.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import msgspec

from governance.core.windows import WindowKind
from governance.moving.errors import SourceUnreadable

_TABLES: Final = {
    "teams": ("teams", "LiteLLM_TeamTable"),
    "keys": ("keys", "LiteLLM_VerificationToken"),
    "users": ("users", "LiteLLM_UserTable"),
    "organizations": ("organizations", "LiteLLM_OrganizationTable"),
    "budgets": ("budgets", "LiteLLM_BudgetTable"),
}
# LiteLLM begins days at midnight, 7d on Mondays, 30d and 1mo on the first of the month.
_WINDOWS: Final = {
    "1m": WindowKind.MINUTE,
    "60s": WindowKind.MINUTE,
    "1h": WindowKind.HOUR,
    "60m": WindowKind.HOUR,
    "1d": WindowKind.DAY,
    "24h": WindowKind.DAY,
    "7d": WindowKind.WEEK,
    "1w": WindowKind.WEEK,
    "30d": WindowKind.MONTH,
    "1mo": WindowKind.MONTH,
    "365d": WindowKind.YEAR,
    "12mo": WindowKind.YEAR,
}
_NO_LIMIT: Final = frozenset({"all-proxy-models", "all-team-models", "*"})
_UNSAID: Final = {
    "soft_budget": "its soft budget: let a budget tell at a threshold instead",
    "aliases": "model aliases of its own",
    "allowed_routes": "allowed routes",
    "permissions": "permissions",
    "guardrails": "guardrails: `bursar teams guard` lets guards look",
    "object_permission_id": "rights to tools and vector stores",
    "project_id": "its project",
    "access_group_ids": "access groups",
    "policies": "policies",
    "router_settings": "router settings of its own",
}


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """An amount of USD, for one model or for all (""). `window` is None where its `duration` has no like here."""

    model: str
    amount: Decimal
    duration: str
    window: WindowKind | None


class Allowance(msgspec.Struct, frozen=True, kw_only=True):
    """What something may spend and call. `is_unsaid`: it has limits of a kind that this does not read."""

    limits: tuple[Limit, ...]
    is_unsaid: bool
    models: tuple[str, ...]
    tokens_per_minute: int | None
    requests_per_minute: int | None
    at_once: int | None


class LiteTeam(msgspec.Struct, frozen=True, kw_only=True):
    """One team. `members` are e-mail addresses with whether they administer it."""

    id: str
    name: str
    unit: str
    is_blocked: bool
    members: tuple[tuple[str, bool], ...]
    allowance: Allowance
    unsaid: tuple[str, ...]


class LiteKey(msgspec.Struct, frozen=True, kw_only=True):
    """One key. `hint` is how people recognise it: the last letters of its text."""

    digest: str
    name: str
    hint: str
    team_id: str
    email: str
    expires_at: datetime | None
    is_blocked: bool
    allowance: Allowance
    unsaid: tuple[str, ...]


class LiteLLM(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was read."""

    teams: tuple[LiteTeam, ...]
    keys: tuple[LiteKey, ...]


def read_litellm(texts: Iterable[bytes]) -> LiteLLM:
    """Read files or answers. Raises SourceUnreadable."""
    rows: dict[str, list[Mapping[str, Any]]] = {kind: [] for kind in _TABLES}
    for text in texts:
        for kind, found in _tables(text).items():
            rows[kind] += found
    emails = {str(row.get("user_id")): str(row.get("user_email") or "") for row in rows["users"]}
    units = {str(row.get("organization_id")): str(row.get("organization_alias") or "") for row in rows["organizations"]}
    budgets = {str(row.get("budget_id")): row for row in rows["budgets"]}
    return LiteLLM(
        teams=tuple(_team(row, emails=emails, units=units) for row in rows["teams"]),
        keys=tuple(_key(row, emails=emails, budgets=budgets) for row in rows["keys"]),
    )


def _tables(text: bytes) -> dict[str, list[Mapping[str, Any]]]:
    try:
        content = json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise SourceUnreadable(f"This is no JSON ({error}): give what /team/list or /key/list answers.") from error
    if isinstance(content, list):
        rows = [row for row in content if isinstance(row, dict)]
        if len(rows) != len(content) or not all("team_id" in row or "token" in row for row in rows):
            raise SourceUnreadable("This is no list of teams or keys of LiteLLM.")
        return {"teams": [row for row in rows if "token" not in row], "keys": [row for row in rows if "token" in row]}
    if not isinstance(content, dict):
        raise SourceUnreadable("This is no list of teams or keys of LiteLLM.")
    found = {kind: content[name] for kind, names in _TABLES.items() for name in names if name in content}
    if not found:
        raise SourceUnreadable(f"There is nothing to move: give one of {', '.join(_TABLES)}, or LiteLLM's tables.")
    if not all(isinstance(rows, list) and all(isinstance(row, dict) for row in rows) for rows in found.values()):
        raise SourceUnreadable("The keys are listed without what they may: ask /key/list?return_full_object=true.")
    return found


def _team(row: Mapping[str, Any], *, emails: Mapping[str, str], units: Mapping[str, str]) -> LiteTeam:
    team_id = str(row.get("team_id") or "")
    return LiteTeam(
        id=team_id,
        name=str(row.get("team_alias") or team_id),
        unit=units.get(str(row.get("organization_id")), ""),
        is_blocked=bool(row.get("blocked")),
        members=_members(row.get("members_with_roles"), emails),
        allowance=_allowance(row, {}),
        unsaid=_unsaid(row),
    )


def _key(row: Mapping[str, Any], *, emails: Mapping[str, str], budgets: Mapping[str, Mapping[str, Any]]) -> LiteKey:
    digest = str(row.get("token") or "")
    if not digest:
        raise SourceUnreadable("A key has no `token`: take the keys as LiteLLM lists them.")
    named = row.get("litellm_budget_table") or budgets.get(str(row.get("budget_id")), {})
    return LiteKey(
        digest=digest,
        name=str(row.get("key_alias") or f"litellm-{digest[:12]}"),
        hint=str(row.get("key_name") or ""),
        team_id=str(row.get("team_id") or ""),
        email=emails.get(str(row.get("user_id")), "") or _email(row.get("user_id")),
        expires_at=_instant(row.get("expires")),
        is_blocked=bool(row.get("blocked")),
        allowance=_allowance(row, named or {"budget_limits": row.get("budget_id")}),
        unsaid=_unsaid(row),
    )


def _allowance(row: Mapping[str, Any], fallback: Mapping[str, Any]) -> Allowance:
    def value(name: str) -> Any:
        return row.get(name) if row.get(name) is not None else fallback.get(name)

    models = tuple(str(name) for name in row.get("models") or ())
    return Allowance(
        limits=(
            *_limit("", value("max_budget"), value("budget_duration")),
            *_limits_of_models(value("model_max_budget")),
        ),
        is_unsaid=bool(value("budget_limits")),
        models=() if _NO_LIMIT.intersection(models) else models,
        tokens_per_minute=_count(value("tpm_limit")),
        requests_per_minute=_count(value("rpm_limit")),
        at_once=_count(value("max_parallel_requests")),
    )


def _limits_of_models(value: Any) -> Iterator[Limit]:
    for model, said in value.items() if isinstance(value, dict) else ():
        if isinstance(said, dict):
            amount = said.get("budget_limit", said.get("max_budget"))
            yield from _limit(str(model), amount, said.get("time_period", said.get("budget_duration")))
        else:
            yield from _limit(str(model), said, None)


def _limit(model: str, amount: Any, duration: Any) -> Iterator[Limit]:
    if amount is None:
        return
    if isinstance(amount, bool) or not isinstance(amount, int | Decimal):
        raise SourceUnreadable(f"{amount!r} is no amount of money.")
    text = str(duration or "")
    window = _WINDOWS.get(text) if text else WindowKind.TOTAL
    yield Limit(model=model, amount=Decimal(amount), duration=text, window=window)


def _unsaid(row: Mapping[str, Any]) -> tuple[str, ...]:
    metadata = row.get("metadata")
    said = {**(metadata if isinstance(metadata, dict) else {}), **row}
    return tuple(words for name, words in _UNSAID.items() if said.get(name))


def _members(value: Any, emails: Mapping[str, str]) -> tuple[tuple[str, bool], ...]:
    members = {}
    for each in value if isinstance(value, list) else ():
        if isinstance(each, dict):
            user_id = str(each.get("user_id") or "")
            email = str(each.get("user_email") or "") or emails.get(user_id, "") or _email(user_id)
            members[email or user_id] = each.get("role") == "admin"
    return tuple((name, is_admin) for name, is_admin in members.items() if name)


def _email(user_id: Any) -> str:
    return user_id if isinstance(user_id, str) and "@" in user_id else ""


def _count(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal) or not str(value).isdigit():
        raise SourceUnreadable(f"{value!r} is no number of requests or tokens.")
    return int(value)


def _instant(value: Any) -> datetime | None:
    if not value:
        return None
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError as error:
        raise SourceUnreadable(f"{value!r} is no instant at which a key expires.") from error
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
