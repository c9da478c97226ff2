"""The audit trail with anything in it: it verifies, and any change of any field of any event is found (I24)."""

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from governance.audit.models import AuditEvent
from governance.audit.operations import Actor, record
from governance.audit.queries import first_broken_event
from tests.support.broken_books import damage

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
EVENTS = st.lists(
    st.fixed_dictionaries(
        {"action": TEXT, "subject": TEXT, "reason": TEXT},
        optional={"before": st.dictionaries(TEXT, VALUES, max_size=3), "after": st.dictionaries(TEXT, VALUES)},
    ),
    min_size=1,
    max_size=5,
)
CHANGES = ("actor = actor || 'x'", "action = action || 'x'", "reason = reason || 'x'", "subject = 'x' || subject",
           "origin = origin || 'x'", "after = '{\"x\": 1}'", "before = '[]'", "digest = '\\x00'",
           "previous_digest = '\\x00'", "version = 1", "organisation_id = 7",
           "occurred_at = occurred_at - interval '1 day'")  # fmt: skip


@pytest.mark.django_db
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=EVENTS, data=st.data())
def test_any_event_is_chained_and_any_change_is_found(events: list[dict[str, object]], data: st.DataObject) -> None:
    with transaction.atomic():
        made = [record(actor=Actor(name="ada", origin="here"), **event) for event in events]  # type: ignore[arg-type]
        assert first_broken_event() is None
        victim = data.draw(st.sampled_from(made))
        change = data.draw(st.sampled_from(CHANGES))
        damage(f"UPDATE audit_auditevent SET {change} WHERE id = %s", victim.pk)  # noqa: S608 - one of the above
        broken = first_broken_event()
        assert broken is not None and broken.pk == victim.pk
        assert AuditEvent.objects.count() == len(made)
        transaction.set_rollback(True)
