"""What an empty installation needs for a first call: everything is looked for before it is made."""

import secrets
from datetime import datetime

import msgspec

from governance.audit.operations import Actor
from governance.budgets.models import Budget
from governance.budgets.operations import NewBudget
from governance.budgets.operations import create as create_budget
from governance.catalog.importing import import_catalogue
from governance.catalog.models import LanguageModel
from governance.catalog.operations import add_alias, add_deployment
from governance.connections.models import Connection
from governance.connections.operations import NewConnection, change
from governance.connections.operations import add as add_connection
from governance.core.environment import Environment
from governance.core.plugins import Plugins
from governance.core.windows import WindowKind
from governance.keys.operations import NewKey, issue
from governance.teams.models import Membership, Organisation, OrganisationRole, Team, User
from governance.teams.operations import NewTeam, create_cost_centre, create_organisation, create_team, create_unit
from governance.teams.people import create_person, give_role, set_membership

ORGANISATION = "Default organisation"
TEAM = "default"
ADMIN_EMAIL = "admin@example.com"
SANDBOX = "sandbox"
SANDBOX_MODEL = "sandbox-1"
ORGANISATION_LIMIT_NANO = 1_000 * 10**9
TEAM_LIMIT_NANO = 100 * 10**9

_ACTOR = Actor(name="first start")


class FirstObjects(msgspec.Struct, frozen=True):
    """Secrets that exist only now; None for what was there already."""

    admin_user: str | None
    admin_password: str | None
    virtual_key: str | None


def make_first_objects(*, environment: Environment, plugins: Plugins, sandbox_url: str, at: datetime) -> FirstObjects:
    """Make what is missing: tenancy, administrator, prices, the sandbox's connection and model, budgets, a key."""
    organisation, team, is_new = _tenancy()
    user, password = _administrator(organisation, team)
    _import_prices(plugins, at=at)
    if sandbox_url:
        _sandbox(environment, plugins, organisation, sandbox_url, at=at)
    if is_new:
        _budgets(organisation, team)
    text = None
    if not team.keys.exists():
        new = NewKey(team_id=team.pk, name="first key")
        text = issue(actor=_ACTOR, at=at, pepper=environment.key_pepper, new=new).text
    return FirstObjects(user, password, text)


def _tenancy() -> tuple[Organisation, Team, bool]:
    organisation = Organisation.objects.order_by("id").first()
    if organisation is None:
        organisation = create_organisation(actor=_ACTOR, name=ORGANISATION)
    team = organisation.teams.filter(name=TEAM).first()
    if team is not None:
        return organisation, team, False
    unit = create_unit(actor=_ACTOR, organisation_id=organisation.pk, name="Default unit")
    centre = create_cost_centre(actor=_ACTOR, organisation_id=organisation.pk, code="default", name="Default")
    new = NewTeam(organisation_id=organisation.pk, unit_id=unit.pk, cost_centre_id=centre.pk, name=TEAM)
    return organisation, create_team(actor=_ACTOR, new=new), True


def _administrator(organisation: Organisation, team: Team) -> tuple[str | None, str | None]:
    if User.objects.exists():
        return None, None
    password = secrets.token_urlsafe(15)
    user = create_person(actor=_ACTOR, email=ADMIN_EMAIL, password=password)
    role = OrganisationRole.Role.ADMIN
    give_role(actor=_ACTOR, user_id=user.pk, organisation_id=organisation.pk, role=role)
    set_membership(actor=_ACTOR, user_id=user.pk, team_id=team.pk, part=Membership.Part.OWNER)
    return ADMIN_EMAIL, password


def _import_prices(plugins: Plugins, *, at: datetime) -> None:
    for source in plugins.price_sources.values():
        import_catalogue(actor=_ACTOR, at=at, catalogue=source.read(providers=()))


def _sandbox(environment: Environment, plugins: Plugins, organisation: Organisation, url: str, *, at: datetime) -> None:
    connection = Connection.objects.filter(organisation=organisation, name=SANDBOX).first()
    if connection is None:
        new = NewConnection(organisation_id=organisation.pk, name=SANDBOX, provider=SANDBOX, base_url=url)
        connection = add_connection(
            actor=_ACTOR, at=at, sealing_keys=environment.sealing_keys, providers=plugins.providers, new=new
        )
    elif connection.base_url != url:
        change(
            actor=_ACTOR,
            connection_id=connection.pk,
            providers=plugins.providers,
            base_url=url,
            options=connection.options,
        )
    model = LanguageModel.objects.filter(provider=SANDBOX, name=SANDBOX_MODEL).first()
    if model is None or organisation.aliases.filter(name=SANDBOX_MODEL).exists():
        return
    deployment = add_deployment(actor=_ACTOR, model_id=model.pk, connection_id=connection.pk)
    add_alias(actor=_ACTOR, organisation_id=organisation.pk, name=SANDBOX_MODEL, deployment_ids=[deployment.pk])


def _budgets(organisation: Organisation, team: Team) -> None:
    if Budget.objects.filter(organisation=organisation).exists():
        return
    for name, limit, team_id in (
        ("Everything", ORGANISATION_LIMIT_NANO, None),
        ("Team default", TEAM_LIMIT_NANO, team.pk),
    ):
        new = NewBudget(
            organisation_id=organisation.pk,
            name=name,
            limit_nano=limit,
            window=WindowKind.MONTH,
            zone=organisation.zone,
            team_id=team_id,
        )
        create_budget(actor=_ACTOR, new=new)
