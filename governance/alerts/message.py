"""The words of an alert: pure, with exact amounts."""

from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

from governance.core.money import usd_text
from governance.core.windows import END
from governance.plugin.notifier import Notice


class Passed(msgspec.Struct, frozen=True, kw_only=True):
    """A threshold that was passed: whose budget, how far, in which period."""

    crossing_id: int
    organisation: str
    budget: str
    scope: str
    percent: int
    settled_nano: int
    limit_nano: int
    starts_at: datetime
    ends_at: datetime
    zone: str


def make_notice(passed: Passed) -> Notice:
    """Return the notice of a crossing. Its key is the same at every delivery."""
    settled, limit = usd_text(passed.settled_nano), usd_text(passed.limit_nano)
    resets_at = _local(passed.ends_at, passed.zone)
    reset = "It does not reset." if passed.ends_at >= END else f"It resets at {resets_at} ({passed.zone})."
    return Notice(
        key=f"bursar-crossing-{passed.crossing_id}",
        subject=f"Budget {passed.budget} has passed {passed.percent} % of its limit",
        text=(
            f"The budget {passed.budget} of {passed.scope} has spent {settled} USD of its {limit} USD"
            f"{_share(passed)}, which passes the threshold of {passed.percent} %. {_consequence(passed)}{reset}"
        ),
        facts={
            "organisation": passed.organisation,
            "budget": passed.budget,
            "scope": passed.scope,
            "threshold_percent": str(passed.percent),
            "settled_usd": settled,
            "limit_usd": limit,
            "period_starts_at": passed.starts_at.isoformat(),
            "period_ends_at": passed.ends_at.isoformat(),
        },
    )


def _share(passed: Passed) -> str:
    """The share, rounded down to hundredths of a percent by integer arithmetic."""
    if not passed.limit_nano:
        return ""
    hundredths = passed.settled_nano * 10_000 // passed.limit_nano
    return f" ({hundredths // 100}.{hundredths % 100:02} %)"


def _consequence(passed: Passed) -> str:
    return "Further calls that it pays for may be refused. " if passed.settled_nano >= passed.limit_nano else ""


def _local(at: datetime, zone: str) -> str:
    return f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"
