"""What the page of alerts shows: what was passed, what is ahead, and whether anybody was told."""

from dataclasses import dataclass
from datetime import datetime

from governance.alerts.drift import drift_permille
from governance.alerts.models import Delivery, Drift, Recipient
from governance.alerts.queries import crossings_of, drifts_of, latest_deliveries, recipients_of
from governance.console.pages.budgets import BudgetLine, CrossingLine, budget_lines, crossing_line
from governance.viewing.viewer import Viewer

PAGE_SIZE = 30
_DRIFTS = 20


@dataclass(frozen=True, kw_only=True)
class RecipientLine:
    """Who is told, and what became of the newest telling; None: there was nothing to tell yet."""

    recipient: Recipient
    latest: Delivery | None

    @property
    def state(self) -> str:
        """How well it goes."""
        if self.latest is None or self.latest.state == Delivery.State.DELIVERED:
            return "good"
        return "over" if self.latest.state == Delivery.State.GIVEN_UP else "near"


@dataclass(frozen=True, kw_only=True)
class AlertsPage:
    """The whole page; crossings newest first, `next_id` is None on the last page of them."""

    crossings: list[CrossingLine]
    next_id: int | None
    ahead: list[BudgetLine]
    drifts: list[Drift]
    drift_permille: int
    recipients: list[RecipientLine]

    @property
    def drift_percent(self) -> str:
        """From which difference on somebody is told: "1 %", "2.5 %"; empty: never."""
        whole, tenth = divmod(self.drift_permille, 10)
        return f"{whole}.{tenth} %" if tenth else f"{whole} %" if whole else ""


def alerts_page(*, viewer: Viewer, now: datetime, before_id: int | None) -> AlertsPage:
    """Return what there is to tell of the organisation; of crossings those older than the one with this id."""
    organisation = viewer.organisation
    found = crossings_of(organisation=organisation).order_by("-id")
    crossings = list((found.filter(id__lt=before_id) if before_id is not None else found)[: PAGE_SIZE + 1])
    shown = crossings[:PAGE_SIZE]
    ahead = [line for line in budget_lines(viewer=viewer, now=now) if line.runs_out_later]
    return AlertsPage(
        crossings=[crossing_line(crossing) for crossing in shown],
        next_id=shown[-1].pk if len(crossings) > PAGE_SIZE else None,
        ahead=sorted(ahead, key=lambda line: line.runs_out_at or now),
        drifts=list(drifts_of(organisation=organisation)[:_DRIFTS]),
        drift_permille=drift_permille(organisation=organisation),
        recipients=_recipients(viewer),
    )


def _recipients(viewer: Viewer) -> list[RecipientLine]:
    recipients = list(recipients_of(organisation=viewer.organisation))
    latest = latest_deliveries(recipient_ids=[recipient.pk for recipient in recipients])
    return [RecipientLine(recipient=recipient, latest=latest.get(recipient.pk)) for recipient in recipients]
