"""Who is looking: a person or a service, the organisation, and their rights. The rules are in teams.access."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from governance.audit.operations import Actor
from governance.budgets.models import Account, Budget, Increase, IncreaseRequest
from governance.budgets.queries import increase_requests, increases_of
from governance.keys.models import VirtualKey
from governance.keys.queries import visible_keys as keys_visible_to
from governance.ledger.reach import Reach
from governance.metering.models import Allowance
from governance.policy.models import RateLimit
from governance.teams.access import Access, access_of, service_access
from governance.teams.access import visible_teams as teams_visible_to
from governance.teams.models import Organisation, Team, User
from governance.teams.queries import is_only_organisation


@dataclass(frozen=True, kw_only=True)
class Viewer:
    """A person, their organisation, and what they may see and change in it.

    A service is nobody: its `user` is in no database, and what it may do follows from its `access` alone.
    """

    user: User
    organisation: Organisation
    access: Access
    actor: Actor

    @property
    def reach(self) -> Reach:
        """Whose spend and requests this person sees."""
        return Reach(
            organisation_id=self.organisation.pk,
            zone=self.organisation.zone,
            is_whole=self.sees_all,
            team_ids=self.access.owned_team_ids(),
            own_team_ids=self.access.team_ids(),
            user_id=self.user.pk,
        )

    @property
    def sees_all(self) -> bool:
        """Whether all of the organisation's spend is shown."""
        return self.access.may_see_spend(self.organisation.pk)

    @property
    def may_change_budgets(self) -> bool:
        """Whether budgets and rate limits can be made, changed and retired."""
        return self.access.may_change_budgets(self.organisation.pk)

    @property
    def may_administer(self) -> bool:
        """Whether what concerns the whole organisation can be changed."""
        return self.access.may_administer(self.organisation.pk)

    @property
    def may_close_months(self) -> bool:
        """Whether statements can be written, and months closed."""
        return self.access.may_write_statements(self.organisation.pk)

    @property
    def may_change_catalogue(self) -> bool:
        """Whether models and prices can be changed: they are the whole installation's."""
        return self.may_administer and is_only_organisation(organisation_id=self.organisation.pk)

    @property
    def may_see_trail(self) -> bool:
        """Whether the audit trail is theirs to read."""
        return self.access.may_see_trail(self.organisation.pk)

    def may_change_key(self, key: VirtualKey) -> bool:
        """Whether the key can be rotated and revoked."""
        return self.access.may_change_key(organisation_id=key.organisation_id, team_id=key.team_id, user_id=key.user_id)

    def may_read_prompts(self, team_id: int) -> bool:
        """Whether what is stored of this team's requests can be read."""
        return self.access.may_read_prompts(organisation_id=self.organisation.pk, team_id=team_id)

    def may_manage(self, team: Team) -> bool:
        """Whether the team's members can be changed."""
        return self.access.may_manage_team(organisation_id=team.organisation_id, team_id=team.pk)

    def may_issue_for(self, team: Team) -> bool:
        """Whether a key of any person, or of none, can be issued in the team."""
        return self.access.may_manage_team(organisation_id=team.organisation_id, team_id=team.pk)

    def visible_teams(self) -> QuerySet[Team]:
        """Return the living teams this person sees, by name."""
        return teams_visible_to(self.access).filter(organisation=self.organisation, archived_at=None)

    def teams_to_issue_in(self) -> list[Team]:
        """Return the teams in which this person can issue a key, at least for themselves."""
        return [
            team
            for team in self.visible_teams()
            if self.access.may_change_key(organisation_id=team.organisation_id, team_id=team.pk, user_id=self.user.pk)
        ]

    def visible_keys(self) -> QuerySet[VirtualKey]:
        """Return the keys this person sees."""
        return keys_visible_to(access=self.access).filter(organisation=self.organisation)

    def visible_budgets(self) -> QuerySet[Budget]:
        """Return the budgets this person sees, retired ones included."""
        budgets = Budget.objects.filter(organisation=self.organisation)
        return budgets if self.sees_all else budgets.filter(self._own_scopes())

    def visible_rate_limits(self) -> QuerySet[RateLimit]:
        """Return the rate limits this person sees, retired ones included."""
        limits = RateLimit.objects.filter(organisation=self.organisation)
        return limits if self.sees_all else limits.filter(self._own_scopes())

    def visible_allowances(self) -> QuerySet[Allowance]:
        """Return what of rate limits this person sees taken: of members' shares, a developer only their own."""
        allowances = Allowance.objects.filter(rate_limit__in=self.visible_rate_limits())
        if self.sees_all:
            return allowances
        owned = Q(rate_limit__team_id__in=self.access.owned_team_ids()) | Q(
            rate_limit__unit_id__in=self.access.unit_ids
        )
        own = Q(user=self.user) | Q(key__in=self.visible_keys())
        return allowances.filter(Q(rate_limit__sharing=RateLimit.Sharing.POOLED) | owned | own)

    def _own_scopes(self) -> Q:
        """Whose budgets and rate limits somebody sees who does not see all."""
        owned, parts = self.access.owned_team_ids(), self.access.team_ids()
        of_team = Q(team_id__in=owned) | Q(team_id__in=parts, user=None) | Q(team_id__in=parts, user=self.user)
        of_unit = Q(unit_id__in=self.access.unit_ids)
        return of_unit | of_team | Q(key__in=self.visible_keys()) | Q(user=self.user)

    def visible_accounts(self) -> QuerySet[Account]:
        """Return the accounts whose figures this person sees: of members' shares, a developer only their own."""
        accounts = Account.objects.filter(budget__in=self.visible_budgets())
        if self.sees_all:
            return accounts
        owned = Q(budget__team_id__in=self.access.owned_team_ids()) | Q(budget__unit_id__in=self.access.unit_ids)
        own = Q(user=self.user) | Q(key__in=self.visible_keys())
        return accounts.filter(Q(budget__sharing=Budget.Sharing.POOLED) | owned | own)

    def visible_increases(self, budget: Budget, *, at: datetime) -> QuerySet[Increase]:
        """Return the increases in force or to come: everybody's, and of the members' those that this person may see."""
        found = increases_of(budgets=[budget], at=at)
        if self.sees_all or budget.team_id in self.access.owned_team_ids():
            return found
        return found.filter(Q(user=None) | Q(user=self.user), Q(key=None) | Q(key__in=self.visible_keys()))

    def visible_requests(self) -> QuerySet[IncreaseRequest]:
        """Return the requests for more money that this person sees: their own, or all where they see all spend."""
        requests = increase_requests(organisation_id=self.organisation.pk)
        return requests if self.sees_all else requests.filter(requested_by=self.user)

    def may_decide(self, request: IncreaseRequest) -> bool:
        """Whether the request can be approved and declined."""
        return self.access.may_decide_increase(
            organisation_id=request.budget.organisation_id, requester_id=request.requested_by_id
        )

    @property
    def title(self) -> str:
        """The person's part in a word or two."""
        roles = self.access.roles.get(self.organisation.pk, frozenset())
        if roles:
            return ", ".join(sorted(role.capitalize() for role in roles))
        if self.access.unit_ids:
            return "Unit owner"
        return "Team owner" if self.access.owned_team_ids() else "Developer"


def viewer_of(*, user: User, origin: str, organisation_id: int | None = None) -> Viewer | None:
    """Return the person's view of their organisation, or of this one; None when they do not belong to it, or to any."""
    access = access_of(user=user)
    homes = Organisation.objects.filter(id__in=access.home_ids).order_by("id")
    if organisation_id is not None:
        homes = homes.filter(id=organisation_id)
    organisation = homes.first()
    if organisation is None:
        return None
    actor = Actor(name=user.email, origin=origin, organisation_id=organisation.pk)
    return Viewer(user=user, organisation=organisation, access=access, actor=actor)


def service_viewer(*, organisation: Organisation, actor: Actor) -> Viewer:
    """Return the view of something that works for the organisation and is no person."""
    return Viewer(user=User(), organisation=organisation, access=service_access(organisation.pk), actor=actor)
