"""Which operation answers whom. Every operation of the API must be named here, so that a new one is not forgotten."""

from django.db import transaction

from governance.tokens.scopes import AREAS
from tests.api.asking import SERVICE, Api
from tests.api.conftest import Ask
from tests.api.world import Operation, bodies, filled, names, operations
from tests.console.demo import Company, found_company, spend_a_month

ROLES = ("admin", "finance", "auditor", "owner", "developer", SERVICE)

EVERYBODY = "200 200 200 200 200 200"
READERS = "200 403 200 403 403 200"
WHOLE = "200 200 200 403 403 200"
ADMINS = "200 403 403 403 403 200"
MAKERS = "201 403 403 403 403 201"
REMOVERS = "204 403 403 403 403 204"
GIVERS = "200 200 403 403 403 200"
SETTERS = "201 201 403 403 403 201"

MATRIX = {
    "GET me": EVERYBODY,
    "GET tokens": EVERYBODY,
    "POST tokens/<int:token_id>/revoke": "200 404 404 404 404 200",
    "GET teams": EVERYBODY,
    "POST teams": MAKERS,
    "GET teams/<int:team_id>": EVERYBODY,
    "PATCH teams/<int:team_id>": ADMINS,
    "POST teams/<int:team_id>/archive": ADMINS,
    "GET teams/<int:team_id>/members": EVERYBODY,
    "PUT teams/<int:team_id>/members/<int:user_id>": "200 403 403 200 403 200",
    "DELETE teams/<int:team_id>/members/<int:user_id>": "204 403 403 204 403 204",
    "GET teams/<int:team_id>/rules": EVERYBODY,
    "PUT teams/<int:team_id>/guards/<str:guard>": ADMINS,
    "PUT teams/<int:team_id>/cache": ADMINS,
    "DELETE teams/<int:team_id>/cache": REMOVERS,
    "PUT teams/<int:team_id>/prompts": ADMINS,
    "DELETE teams/<int:team_id>/prompts": REMOVERS,
    "GET organisation": EVERYBODY,
    "PATCH organisation": ADMINS,
    "GET units": EVERYBODY,
    "POST units": MAKERS,
    "GET units/<int:unit_id>": EVERYBODY,
    "PATCH units/<int:unit_id>": ADMINS,
    "GET cost-centres": EVERYBODY,
    "POST cost-centres": MAKERS,
    "GET people": READERS,
    "POST people": MAKERS,
    "GET people/<int:user_id>": READERS,
    "PATCH people/<int:user_id>": ADMINS,
    "PUT people/<int:user_id>/roles/<str:role>": ADMINS,
    "DELETE people/<int:user_id>/roles/<str:role>": ADMINS,
    "POST people/<int:user_id>/log-out": ADMINS,
    "POST people/<int:user_id>/second-factor/remove": REMOVERS,
    "POST people/<int:user_id>/unlink": REMOVERS,
    "GET invitations": READERS,
    "POST invitations": MAKERS,
    "POST invitations/<int:invitation_id>/renew": ADMINS,
    "POST invitations/<int:invitation_id>/withdraw": ADMINS,
    "GET sign-in-rules": READERS,
    "PATCH sign-in-rules": ADMINS,
    "GET identity-providers": READERS,
    "POST identity-providers": MAKERS,
    "GET identity-providers/<int:provider_id>": READERS,
    "PATCH identity-providers/<int:provider_id>": ADMINS,
    "PUT identity-providers/<int:provider_id>/secret": REMOVERS,
    "GET group-rules": READERS,
    "POST group-rules": MAKERS,
    "DELETE group-rules/<int:group_rule_id>": REMOVERS,
    "GET scim-tokens": ADMINS,
    "POST scim-tokens": MAKERS,
    "POST scim-tokens/<int:scim_token_id>/revoke": ADMINS,
    "GET keys": EVERYBODY,
    "POST keys": "201 403 403 201 403 201",
    "GET keys/<int:key_id>": "200 200 200 200 404 200",
    "POST keys/<int:key_id>/rotate": "200 403 403 200 404 200",
    "POST keys/<int:key_id>/revoke": "200 403 403 200 404 200",
    "GET budgets": EVERYBODY,
    "POST budgets": SETTERS,
    "GET budgets/<int:budget_id>": EVERYBODY,
    "PATCH budgets/<int:budget_id>": GIVERS,
    "POST budgets/<int:budget_id>/retire": GIVERS,
    "GET budgets/<int:budget_id>/members": EVERYBODY,
    "GET budgets/<int:budget_id>/increases": EVERYBODY,
    "POST budgets/<int:budget_id>/increases": SETTERS,
    "POST budgets/<int:budget_id>/increases/<int:increase_id>/withdraw": GIVERS,
    # The developer's earlier request waits; a service is nobody who could ask or answer for a decision.
    "POST budgets/<int:budget_id>/increase-requests": "403 403 403 201 409 403",
    "GET increase-requests": EVERYBODY,
    "GET increase-requests/<int:request_id>": "200 200 200 404 200 200",
    "POST increase-requests/<int:request_id>/approve": "200 200 403 404 403 403",
    "POST increase-requests/<int:request_id>/decline": "200 200 403 404 403 403",
    "POST increase-requests/<int:request_id>/withdraw": "403 403 403 404 200 403",
    "GET limits": EVERYBODY,
    "POST limits": SETTERS,
    "GET limits/<int:limit_id>": EVERYBODY,
    "PATCH limits/<int:limit_id>": GIVERS,
    "POST limits/<int:limit_id>/retire": GIVERS,
    "GET access-groups": READERS,
    "POST access-groups": MAKERS,
    "GET access-groups/<int:group_id>": READERS,
    "PATCH access-groups/<int:group_id>": ADMINS,
    "DELETE access-groups/<int:group_id>": REMOVERS,
    "GET allow-rules": READERS,
    "POST allow-rules": MAKERS,
    "DELETE allow-rules/<int:rule_id>": REMOVERS,
    "GET connections": READERS,
    "POST connections": MAKERS,
    "GET connections/<int:connection_id>": READERS,
    "PATCH connections/<int:connection_id>": ADMINS,
    "PUT connections/<int:connection_id>/credential": ADMINS,
    "GET models": EVERYBODY,
    "POST models": MAKERS,
    "GET models/<int:model_id>": EVERYBODY,
    "PATCH models/<int:model_id>/limits": ADMINS,
    "PUT models/<int:model_id>/prices": ADMINS,
    "GET deployments": EVERYBODY,
    "POST deployments": MAKERS,
    "PATCH deployments/<int:deployment_id>": ADMINS,
    "GET aliases": EVERYBODY,
    "POST aliases": MAKERS,
    "GET aliases/<int:alias_id>": EVERYBODY,
    "PATCH aliases/<int:alias_id>": ADMINS,
    "DELETE aliases/<int:alias_id>": REMOVERS,
    "POST aliases/<int:alias_id>/dry-run": READERS,
    "GET requests": EVERYBODY,
    "GET requests/unbooked": EVERYBODY,
    "GET requests/<uuid:attempt_id>": "200 200 200 200 404 200",
    "POST requests/<uuid:attempt_id>/settle": "200 403 403 404 404 200",
    # Nothing is stored: whoever may read it learns that.
    "POST requests/<uuid:attempt_id>/prompt": "404 403 403 404 404 404",
    "GET months": WHOLE,
    # The month is running.
    "GET months/<str:month>": "404 404 404 403 403 404",
    "GET months/<str:month>/findings": WHOLE,
    "POST months/<str:month>/begin": "400 400 403 403 403 400",
    "POST months/<str:month>/review": "404 404 403 403 403 403",
    "POST months/<str:month>/close": "404 404 403 403 403 403",
    "POST months/<str:month>/reopen": "404 404 403 403 403 404",
    "GET months/<str:month>/files": "404 404 404 403 403 404",
    "GET statements": WHOLE,
    "GET statements/<int:statement_id>": WHOLE,
    "GET statements/<int:statement_id>/content": WHOLE,
    "GET statements/<int:statement_id>/spreadsheet": WHOLE,
    "GET reports/<str:month>": WHOLE,
    "GET recipients": READERS,
    # No plugin offers that channel.
    "POST recipients": "400 403 403 403 403 400",
    "DELETE recipients/<int:recipient_id>": REMOVERS,
    "POST recipients/<int:recipient_id>/test": ADMINS,
    "GET crossings": EVERYBODY,
    "GET deliveries": READERS,
    "GET audit-events": READERS,
    "POST audit-events/export": READERS,
    "POST audit-events/proof": READERS,
}


def _status(api: Api, operation: Operation, address: str, body: object) -> int:
    with transaction.atomic():
        status = api(operation.method, address, body).status
        transaction.set_rollback(True)
    return status


def test_each_role_may_do_what_the_matrix_says(busy_company: Company, api: Ask) -> None:
    named, body = names(busy_company), bodies(busy_company)
    callers = [api(role, "all:write", "prompts:read") for role in ROLES]

    found = {
        str(each): " ".join(
            str(_status(caller, each, filled(each, named, busy_company), body.get(str(each)))) for caller in callers
        )
        for each in operations()
    }

    assert found == MATRIX


def test_nobody_enters_without_a_token_that_is_for_it(busy_company: Company, api: Ask) -> None:
    named = names(busy_company)
    apart = {area: api("admin", *(f"{each}:write" for each in AREAS if each != area)) for area in AREAS}
    nobody, readers = Api(""), api("admin", "all:read", "prompts:read")

    for each in operations():
        address = filled(each, named, busy_company)
        assert _status(nobody, each, address, None) == 401, each
        if each.address == "me":
            continue
        assert _status(apart[each.area], each, address, None) == 403, each
        if not each.is_reading:
            assert _status(readers, each, address, None) == 403, each


def test_what_belongs_to_another_organisation_is_not_there(busy_company: Company, api: Ask) -> None:
    other = found_company(name="Other Company")
    spend_a_month(other)
    named, body = names(other), bodies(busy_company)
    # The catalogue of models is the installation's.
    objects = [each for each in operations() if "_id>" in each.address and not each.address.startswith("models/")]

    callers = {role: api(role, "all:write", "prompts:read") for role in ("admin", "owner", SERVICE)}

    found = {
        (str(each), role): _status(caller, each, filled(each, named, other), body.get(str(each)))
        for each in objects
        for role, caller in callers.items()
    }

    assert len(objects) == 67
    assert {status for (_, role), status in found.items() if role != "owner"} == {404}
    assert {status for (_, role), status in found.items() if role == "owner"} == {403, 404}


def test_no_body_can_name_what_belongs_to_another_organisation(busy_company: Company, api: Ask) -> None:
    other = found_company(name="Other Company")
    own, foreign = bodies(busy_company), bodies(other)
    named = names(busy_company)
    admin = api("admin")
    named_anew = {"POST people", "POST invitations", "POST identity-providers", "POST models"}
    telling = [
        each for each in operations() if own.get(str(each)) != foreign.get(str(each)) and str(each) not in named_anew
    ]

    found = {str(each): _status(admin, each, filled(each, named, busy_company), foreign[str(each)]) for each in telling}

    assert found == {
        "POST teams": 404,
        "POST keys": 404,
        "POST budgets": 404,
        "POST allow-rules": 404,
        "POST deployments": 404,
        "POST aliases": 404,
        "POST aliases/<int:alias_id>/dry-run": 404,
    }
