"""A company made through the rooms' own operations, as the console and the command line make it."""

from dataclasses import dataclass
from datetime import UTC, datetime

from governance.audit.models import AuditEvent
from governance.audit.operations import Actor
from governance.core.environment import SealingKey
from governance.keys.operations import IssuedKey, NewKey, issue
from governance.teams.models import BusinessUnit, CostCentre, Organisation, Team
from governance.teams.operations import NewTeam, create_cost_centre, create_organisation, create_team, create_unit

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PEPPER = b"a pepper that only tests know, thirty-two"
SEALING_KEYS = (SealingKey("first", bytes(range(32))), SealingKey("second", bytes(range(32, 64))))
ACTOR = Actor(name="ada@acme.example", origin="127.0.0.1")
PASSWORD = "correct horse battery staple"


@dataclass(frozen=True)
class Company:
    """One organisation with a unit, a cost centre and a team."""

    organisation: Organisation
    unit: BusinessUnit
    cost_centre: CostCentre
    team: Team

    def add_team(self, name: str) -> Team:
        new = NewTeam(
            organisation_id=self.organisation.pk,
            unit_id=self.unit.pk,
            cost_centre_id=self.cost_centre.pk,
            name=name,
        )
        return create_team(actor=ACTOR, new=new)

    def issue_key(self, name: str = "laptop", *, user_id: int | None = None) -> IssuedKey:
        new = NewKey(team_id=self.team.pk, name=name, user_id=user_id)
        return issue(actor=ACTOR, at=NOW, pepper=PEPPER, new=new)


def found(name: str = "Acme") -> Company:
    """Make a company of this name."""
    organisation = create_organisation(actor=ACTOR, name=name, zone="Europe/Berlin")
    unit = create_unit(actor=ACTOR, organisation_id=organisation.pk, name="Research")
    centre = create_cost_centre(actor=ACTOR, organisation_id=organisation.pk, code="4711")
    new = NewTeam(organisation_id=organisation.pk, unit_id=unit.pk, cost_centre_id=centre.pk, name="search")
    return Company(organisation, unit, centre, create_team(actor=ACTOR, new=new))


def last_event() -> AuditEvent:
    """Return the newest event of the trail."""
    return AuditEvent.objects.latest("id")
