"""What the list of requests shows: booked attempts by keyset, and above them those whose outcome is unknown."""

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from governance.catalog.models import LanguageModel
from governance.ledger.records import Position, Record, RecordFilter, newest_records
from governance.metering.queries import newest_suspense
from governance.viewing.unbooked import Unbooked, with_names
from governance.viewing.viewer import Viewer

PAGE_SIZE = 50
_UNBOOKED = 20


@dataclass(frozen=True, kw_only=True)
class RequestsPage:
    """One page of the list. `next_cursor` is "" on the last one."""

    unbooked: list[Unbooked]
    records: list[Record]
    next_cursor: str
    is_first: bool


def requests_page(*, viewer: Viewer, wanted: RecordFilter, cursor: str) -> RequestsPage:
    """Return the page after the cursor ("": the newest). A cursor that cannot be read starts from the newest."""
    position = _read_cursor(cursor)
    records = newest_records(wanted=wanted, before=position, limit=PAGE_SIZE + 1)
    shown = records[:PAGE_SIZE]
    is_newest = position is None and wanted == RecordFilter(reach=wanted.reach)
    return RequestsPage(
        unbooked=with_names(newest_suspense(reach=viewer.reach, limit=_UNBOOKED)) if is_newest else [],
        records=shown,
        next_cursor=_write_cursor(shown[-1]) if len(records) > PAGE_SIZE else "",
        is_first=position is None,
    )


def models_in_use(*, viewer: Viewer) -> list[LanguageModel]:
    """Return the models that the organisation's deployments offer: what the list can be narrowed to."""
    models = LanguageModel.objects.filter(deployments__connection__organisation=viewer.organisation)
    return list(models.distinct().order_by("name"))


def _write_cursor(record: Record) -> str:
    text = f"{record.admitted_at.isoformat()} {record.attempt_id}"
    return base64.urlsafe_b64encode(text.encode()).decode()


def _read_cursor(cursor: str) -> Position | None:
    try:
        at, _, attempt_id = base64.urlsafe_b64decode(cursor.encode()).decode().partition(" ")
        admitted_at = datetime.fromisoformat(at)
        return Position(admitted_at=admitted_at, attempt_id=UUID(attempt_id)) if admitted_at.tzinfo else None
    except (ValueError, binascii.Error):
        return None
