"""Making here what LiteLLM has: teams, members, keys, budgets, rate limits, allow-lists, by the rooms' operations.

A team or a key whose limits cannot all be said here is left out whole: nothing may do more here than there.
"""

from collections.abc import Callable
from datetime import datetime

import msgspec
from django.db import transaction

from governance.audit.operations import Actor
from governance.budgets.models import Budget
from governance.budgets.operations import NewBudget
from governance.budgets.operations import create as create_budget
from governance.catalog.queries import aliases_of
from governance.core.errors import BadRequest, BursarError
from governance.core.money import MoneyInvalid, parse_usd
from governance.keys.models import VirtualKey
from governance.keys.operations import NewKey, issue
from governance.moving.litellm import Allowance, Limit, LiteKey, LiteLLM, LiteTeam
from governance.policy.limits import NewRateLimit
from governance.policy.limits import create as create_limit
from governance.policy.matching import first_match
from governance.policy.models import AllowRule, RateLimit
from governance.policy.operations import Level, allow
from governance.policy.rate_limit import Counts, LimitWindow
from governance.teams.models import Membership, Organisation, Team, User
from governance.teams.operations import NewTeam, create_cost_centre, create_team, create_unit
from governance.teams.people import set_membership

MADE, THERE, LEFT_OUT = "made", "there already", "left out"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Where to, and as whom. `unit` and `cost_centre` are those of new teams, `rest` is the team of keys in none."""

    actor: Actor
    at: datetime
    pepper: bytes
    organisation: Organisation
    unit: str
    cost_centre: str
    rest: str


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one thing; `why` says it where it was left out, or is not wholly the same."""

    what: str
    name: str
    state: str
    why: str = ""


class NewText(msgspec.Struct, frozen=True, kw_only=True):
    """The text of a new key, beside what its holders know the former one by."""

    name: str
    team: str
    former: str
    former_sha256: str
    text: str

    def __repr__(self) -> str:
        return f"NewText(name={self.name!r})"


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """What was done, and the texts of the new keys."""

    rows: list[Row]
    texts: list[NewText]


def move(*, plan: Plan, source: LiteLLM, is_trial: bool, keep: Callable[[list[NewText]], None]) -> Moved:
    """Make what is missing, whole or not at all; `keep` puts the new keys' texts away before that counts.

    A trial does the same and takes it back. What is there by its name stays as it is.
    """
    mover = _Mover(plan, source)
    with transaction.atomic():
        mover.run()
        if is_trial:
            transaction.set_rollback(True)
        else:
            keep(mover.texts)
    return Moved(rows=mover.rows, texts=[] if is_trial else mover.texts)


class _Mover:
    """One move: what was done so far."""

    def __init__(self, plan: Plan, source: LiteLLM) -> None:
        self.rows: list[Row] = []
        self.texts: list[NewText] = []
        self._plan = plan
        self._source = source
        self._teams: dict[str, Team] = {}
        aliases = aliases_of(organisation_id=plan.organisation.pk).values_list("name", flat=True)
        self._aliases = list(aliases)

    def run(self) -> None:
        """Do all of it."""
        for team in self._source.teams:
            self._try("team", team.name, lambda team=team: self._team(team))  # type: ignore[misc]
        for key in self._source.keys:
            self._try("key", key.name, lambda key=key: self._key(key))  # type: ignore[misc]
        if self._source.teams or self._source.keys:
            self._note(
                "spend", "so far", "What was spent at LiteLLM is not carried over: every budget begins anew here."
            )

    def _team(self, lite: LiteTeam) -> None:
        if lite.is_blocked:
            self._note("team", lite.name, "It is blocked at LiteLLM.")
            return
        team = self._ensure_team(lite.name, lite.unit or self._plan.unit)
        for name, is_admin in lite.members:
            self._member(team, name, is_admin=is_admin)
        self._allow(lite.allowance, f"team {team}", team_id=team.pk)
        self._limit(lite.allowance, f"Team {team}", team_id=team.pk)
        for words in lite.unsaid:
            self._note("team", lite.name, f"Not carried over: {words}.")
        self._teams[lite.id] = team

    def _key(self, lite: LiteKey) -> None:
        if lite.is_blocked or (lite.expires_at is not None and lite.expires_at <= self._plan.at):
            self._note("key", lite.name, "It is blocked or expired at LiteLLM.")
            return
        if lite.team_id and lite.team_id not in self._teams:
            self._note("key", lite.name, "Its team was not moved: give /team/list, too.")
            return
        team = self._teams[lite.team_id] if lite.team_id else self._ensure_team(self._plan.rest, self._plan.unit)
        held = VirtualKey.objects.filter(team=team, name=lite.name).first()
        key = held or self._issue(lite, team)
        if held is not None:
            self._say("key", lite.name, THERE)
        self._allow(lite.allowance, f"key {key}", key_id=key.pk)
        self._limit(lite.allowance, f"Key {key}", key_id=key.pk)
        for words in lite.unsaid:
            self._note("key", lite.name, f"Not carried over: {words}.")

    def _issue(self, lite: LiteKey, team: Team) -> VirtualKey:
        person = User.objects.filter(email=lite.email.lower(), memberships__team=team).first() if lite.email else None
        new = NewKey(
            team_id=team.pk,
            name=lite.name,
            user_id=person.pk if person is not None else None,
            expires_at=lite.expires_at,
        )
        issued = issue(actor=self._plan.actor, at=self._plan.at, pepper=self._plan.pepper, new=new)
        self.texts.append(
            NewText(name=lite.name, team=team.name, former=lite.hint, former_sha256=lite.digest, text=issued.text)
        )
        why = "" if person is not None or not lite.email else f"{lite.email} is not in the team here: it is the team's."
        self._say("key", lite.name, MADE, why)
        return issued.key

    def _ensure_team(self, name: str, unit_name: str) -> Team:
        plan, organisation = self._plan, self._plan.organisation
        held = organisation.teams.filter(name=name).first()
        if held is not None:
            self._say_once("team", name, THERE)
            return held
        unit = organisation.units.filter(name=unit_name).first() or create_unit(
            actor=plan.actor, organisation_id=organisation.pk, name=unit_name
        )
        centre = organisation.cost_centres.filter(code=plan.cost_centre).first() or create_cost_centre(
            actor=plan.actor, organisation_id=organisation.pk, code=plan.cost_centre
        )
        new = NewTeam(organisation_id=organisation.pk, unit_id=unit.pk, cost_centre_id=centre.pk, name=name)
        team = create_team(actor=plan.actor, new=new)
        self._say("team", name, MADE)
        return team

    def _member(self, team: Team, name: str, *, is_admin: bool) -> None:
        person = User.objects.filter(email=name.lower()).first()
        if person is None:
            self._note("member", f"{name} of {team}", "Nobody here has this address: add them, and run this again.")
            return
        if Membership.objects.filter(team=team, user=person).exists():
            self._say("member", f"{name} of {team}", THERE)
            return
        part = Membership.Part.OWNER if is_admin else Membership.Part.DEVELOPER
        set_membership(actor=self._plan.actor, user_id=person.pk, team_id=team.pk, part=part)
        self._say("member", f"{name} of {team}", MADE)

    def _allow(
        self, allowance: Allowance, whose: str, *, team_id: int | None = None, key_id: int | None = None
    ) -> None:
        organisation_id = self._plan.organisation.pk
        level = Level(organisation_id=organisation_id, team_id=team_id, key_id=key_id)
        own = AllowRule.objects.filter(**msgspec.structs.asdict(level), access_group=None)
        held = set(own.values_list("pattern", flat=True))
        for pattern in allowance.models:
            if pattern in held:
                self._say("model", f"{pattern} for {whose}", THERE)
                continue
            allow(actor=self._plan.actor, level=level, pattern=pattern)
            is_known = any(first_match(alias, [pattern]) is not None for alias in self._aliases)
            why = "" if is_known else "No alias here has this name yet: calls to it are refused until one does."
            self._say("model", f"{pattern} for {whose}", MADE, why)

    def _limit(self, allowance: Allowance, name: str, *, team_id: int | None = None, key_id: int | None = None) -> None:
        if allowance.is_unsaid:
            raise BadRequest("It has budgets of a kind that is not read, or that are not given (LiteLLM_BudgetTable).")
        for limit in allowance.limits:
            self._budget(limit, f"{name}, {limit.model}" if limit.model else name, team_id=team_id, key_id=key_id)
        rates = (
            (Counts.TOKENS, allowance.tokens_per_minute, LimitWindow.MINUTE),
            (Counts.REQUESTS, allowance.requests_per_minute, LimitWindow.MINUTE),
            (Counts.CONCURRENT, allowance.at_once, None),
        )
        for counts, amount, window in rates:
            if amount is not None:
                self._rate(
                    NewRateLimit(
                        organisation_id=self._plan.organisation.pk,
                        name=f"{name}, {counts}",
                        counts=counts,
                        amount=amount,
                        window=window,
                        team_id=team_id,
                        key_id=key_id,
                    )
                )

    def _budget(self, limit: Limit, name: str, *, team_id: int | None, key_id: int | None) -> None:
        organisation = self._plan.organisation
        if Budget.objects.filter(organisation=organisation, name=name, retired_at=None).exists():
            self._say("budget", name, THERE)
            return
        if limit.window is None:
            raise BadRequest(
                f"Nothing here is renewed every {limit.duration}: change that at LiteLLM to 1d, 7d, 30d or none."
            )
        try:
            limit_nano = parse_usd(limit.amount)
        except MoneyInvalid as error:
            raise BadRequest(str(error)) from error
        new = NewBudget(
            organisation_id=organisation.pk,
            name=name,
            limit_nano=limit_nano,
            window=limit.window,
            team_id=team_id,
            key_id=key_id,
            model_pattern=limit.model,
        )
        create_budget(actor=self._plan.actor, new=new)
        self._say("budget", name, MADE)

    def _rate(self, new: NewRateLimit) -> None:
        if RateLimit.objects.filter(organisation=self._plan.organisation, name=new.name, retired_at=None).exists():
            self._say("rate limit", new.name, THERE)
            return
        create_limit(actor=self._plan.actor, new=new)
        self._say("rate limit", new.name, MADE)

    def _try(self, what: str, name: str, make: Callable[[], None]) -> None:
        """Make something whole; one that is refused is left out, and the others are made."""
        rows, texts = len(self.rows), len(self.texts)
        try:
            with transaction.atomic():
                make()
        except BursarError as error:
            del self.rows[rows:], self.texts[texts:]
            self._note(what, name, error.message)

    def _note(self, what: str, name: str, why: str) -> None:
        self._say(what, name, LEFT_OUT, why)

    def _say(self, what: str, name: str, state: str, why: str = "") -> None:
        self.rows.append(Row(what=what, name=name, state=state, why=why))

    def _say_once(self, what: str, name: str, state: str) -> None:
        if not any(row.what == what and row.name == name for row in self.rows):
            self._say(what, name, state)
