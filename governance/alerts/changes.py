"""Telling recipients of what the audit trail holds: keys issued, limits changed, statements written.

The trail is written one transaction after the other, so that the order of its ids is the order in which events become
visible: a recipient's last id is all that must be remembered, and no event is passed over.
"""

import re
from collections.abc import Iterable
from datetime import datetime

from django.db import connection, transaction

from governance.alerts.errors import ChangesRefused
from governance.alerts.models import Recipient
from governance.audit.queries import last_event_id

EVERYTHING = "*"
MOST_PATTERNS = 50
_PATTERN = re.compile(r"[a-z][a-z_]*(\.[a-z][a-z_]*)?")

# Events of commands and tasks concern the installation: they are told where there is one organisation, as the trail's
# page shows them.
_NOTICE = """
WITH heard AS (
    SELECT r.id, r.changes, r.organisation_id, r.heard_until_id
      FROM alerts_recipient r
     WHERE r.heard_until_id < %(last)s AND r.changes <> '{}'
       FOR UPDATE SKIP LOCKED
), deliveries AS (
    INSERT INTO alerts_delivery (event_id, recipient_id, attempts, last_error, next_attempt_at)
    SELECT e.id, h.id, 0, '', %(at)s
      FROM heard h
      JOIN audit_auditevent e ON e.id > h.heard_until_id AND e.id <= %(last)s
       AND (e.organisation_id = h.organisation_id
            OR e.organisation_id IS NULL
               AND NOT EXISTS (SELECT FROM teams_organisation o WHERE o.id <> h.organisation_id))
     WHERE '*' = ANY (h.changes) OR e.action = ANY (h.changes) OR split_part(e.action, '.', 1) = ANY (h.changes)
     ORDER BY e.id
    ON CONFLICT (event_id, recipient_id) DO NOTHING
    RETURNING 1
), moved AS (
    UPDATE alerts_recipient r SET heard_until_id = %(last)s FROM heard h WHERE r.id = h.id
)
SELECT count(*) FROM deliveries
"""


def clean_changes(texts: Iterable[str]) -> list[str]:
    """Return what of the trail a recipient is told: actions (key.issued), kinds of things (key), or `*` for all of it.

    Raises ChangesRefused.
    """
    wanted = sorted({text.strip() for text in texts if text.strip()})
    for text in wanted:
        if text != EVERYTHING and not _PATTERN.fullmatch(text):
            raise ChangesRefused(
                f"{text!r} is no kind of change: write an action of the audit trail such as key.issued, the kind of "
                "thing alone, such as key, or * for everything."
            )
    if len(wanted) > MOST_PATTERNS:
        raise ChangesRefused(
            f"{len(wanted)} kinds of changes are too many to name: name at most {MOST_PATTERNS}, or *."
        )
    return wanted


@transaction.atomic
def notice_changes(*, at: datetime) -> int:
    """Record what is to be told of the trail since the last look, once per event and recipient; return how much it is.

    May run at any time, by several processes at once.
    """
    last = last_event_id()
    if not Recipient.objects.filter(heard_until_id__lt=last).exclude(changes=[]).exists():
        return 0
    with connection.cursor() as cursor:
        cursor.execute(_NOTICE, {"at": at, "last": last})
        (count,) = cursor.fetchone()
    return int(count)
