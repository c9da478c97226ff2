"""Which page answers whom. Every address of the console must be named here, so that a new one is not forgotten."""

import re

from django.test import Client
from django.urls import URLPattern

from governance.console.urls import urlpatterns
from tests.console.conftest import LogIn
from tests.console.demo import Company, found_company, service_token, spend_a_month

OF_ALL = {"admin": 200, "finance": 200, "auditor": 200, "owner": 200, "developer": 200, "outsider": 403}
OF_ISSUERS = OF_ALL | {"finance": 403, "auditor": 403}
OF_TEAM_OWNERS = OF_ALL | {"finance": 403, "auditor": 403, "developer": 403}
OF_SEARCH_OWNERS = OF_ALL | {"finance": 403, "auditor": 403, "developer": 404}
OF_WHOLE = OF_ALL | {"owner": 403, "developer": 403}
OF_BUDGETS = OF_WHOLE | {"auditor": 403}

OF_ADMINS = dict.fromkeys(OF_ALL, 403) | {"admin": 200}
OF_SETTINGS = OF_ADMINS | {"auditor": 200}

POSTED = {"budget_request_withdraw", "recipient_test", "invitation_renew", "invitation_withdraw"}
MATRIX = {
    "overview": OF_ALL,
    "overview_figures": OF_ALL,
    "requests": OF_ALL,
    "requests_rows": OF_ALL,
    "request": OF_ALL | {"developer": 404},
    "request_settle": {"admin": 200, "finance": 403, "auditor": 403, "owner": 404, "developer": 404, "outsider": 403},
    "request_prompt": OF_ALL | {"finance": 403, "auditor": 403, "developer": 404},
    "teams": OF_ALL,
    "team": OF_ALL,
    "team_create": OF_ADMINS,
    "unit_rename": OF_ADMINS,
    "team_change": OF_ADMINS,
    "team_archive": OF_ADMINS,
    "member_add": OF_TEAM_OWNERS,
    "member_change": OF_TEAM_OWNERS,
    "team_regions": OF_ADMINS,
    "team_guard": OF_ADMINS,
    "team_cache": OF_ADMINS,
    "team_prompts": OF_ADMINS,
    "budgets": OF_ALL,
    "budget": OF_ALL,
    "budget_create": OF_BUDGETS,
    "budget_limit": OF_BUDGETS,
    "budget_retire": OF_BUDGETS,
    "budget_increase": OF_BUDGETS,
    "budget_increase_withdraw": OF_BUDGETS,
    "budget_ask": {"admin": 403, "finance": 403, "auditor": 403, "owner": 200, "developer": 200, "outsider": 403},
    "budget_request": OF_ALL | {"owner": 404},
    "budget_request_withdraw": dict.fromkeys(OF_ALL, 405),
    "rate_limits": OF_ALL,
    "rate_limit_create": OF_BUDGETS,
    "rate_limit_amount": OF_BUDGETS,
    "rate_limit_retire": OF_BUDGETS,
    "load": OF_ADMINS,
    "keys": OF_ALL,
    "key": OF_ALL | {"developer": 404},
    "key_issue": OF_ISSUERS,
    "key_rotate": OF_SEARCH_OWNERS,
    "key_revoke": OF_SEARCH_OWNERS,
    # Those who may not change the key are led back to the list, with a sentence.
    "keys_revoke": OF_ALL | {"finance": 302, "auditor": 302, "developer": 302},
    "tokens": OF_ALL,
    "token_issue": OF_ALL,
    "token_revoke": OF_ALL | {"finance": 404, "auditor": 404, "owner": 404, "developer": 404},
    "people": OF_ADMINS | {"auditor": 200},
    "person": OF_ADMINS | {"auditor": 200},
    **dict.fromkeys(("person_rights", "person_activity", "person_log_out", "person_second_factor"), OF_ADMINS),
    "sign_in_rules": OF_ADMINS,
    "identity_providers": OF_ADMINS | {"auditor": 200},
    "identity_provider_create": OF_ADMINS,
    "identity_provider": OF_ADMINS,
    "provisioning": OF_ADMINS,
    "provisioning_revoke": dict.fromkeys(OF_ALL, 405),
    "group_rule_create": OF_ADMINS,
    "group_rule_remove": dict.fromkeys(OF_ALL, 405),
    "person_unlink": OF_ADMINS,
    "invitation_create": OF_ADMINS,
    "invitation_renew": dict.fromkeys(OF_ALL, 405),
    "invitation_withdraw": dict.fromkeys(OF_ALL, 405),
    "invitation_accept": dict.fromkeys(OF_ALL, 404),
    "reports": OF_ALL,
    "months": OF_WHOLE,
    "month": OF_WHOLE,
    **dict.fromkeys(("month_begin", "month_reopen", "month_close"), OF_BUDGETS),
    "month_review": dict.fromkeys(OF_ALL, 405),
    # It is not closed yet.
    "month_download": OF_WHOLE | {"admin": 404, "finance": 404, "auditor": 404},
    "settings": OF_ADMINS | {"auditor": 200},
    "models": OF_ALL,
    "model": OF_ALL,
    "model_price": OF_ADMINS,
    "allow_lists": OF_SETTINGS,
    "allow_rule_create": OF_ADMINS,
    "allow_rule_remove": OF_ADMINS,
    "access_group_create": OF_ADMINS,
    "access_group": OF_ADMINS,
    "access_group_remove": OF_ADMINS,
    "routes": OF_SETTINGS,
    "route": OF_SETTINGS,
    "route_create": OF_ADMINS,
    "route_change": OF_ADMINS,
    "route_retire": OF_ADMINS,
    "deployment_create": OF_ADMINS,
    "connections": OF_SETTINGS,
    "connection_create": OF_ADMINS,
    "alerts": OF_WHOLE,
    "recipient_create": OF_ADMINS,
    "recipient_test": dict.fromkeys(OF_ALL, 405),
    "recipient_remove": OF_ADMINS,
    "audit": OF_SETTINGS,
    "audit_verify": OF_SETTINGS,
    "audit_export": dict.fromkeys(OF_ALL, 405),
    "statements": OF_WHOLE,
    "statement_download": OF_WHOLE,
    "statement_spreadsheet": OF_WHOLE,
}


POSTED = {name for name, answers in MATRIX.items() if set(answers.values()) == {405}}


def _address(name: str, company: Company) -> str:
    key = company.keys["search-production"]
    record = company.latest_record(key="search-production")
    team = f"/teams/{company.teams['search'].pk}"
    search = f"/budgets/{company.budgets['Search'].pk}"
    addresses = {
        "overview": "/",
        "overview_figures": "/overview/figures/",
        "requests": "/requests/",
        "requests_rows": "/requests/rows/",
        "request": f"/requests/{record.attempt_id}/",
        "request_settle": f"/requests/{company.suspense_id}/settle/",
        "request_prompt": f"/requests/{record.attempt_id}/prompt/",
        "teams": "/teams/",
        "team": f"{team}/",
        "team_create": "/teams/new/",
        "unit_rename": f"/teams/units/{company.teams['search'].unit_id}/",
        "member_add": f"{team}/members/new/",
        "member_change": f"{team}/members/{company.people['developer'].pk}/",
        **{f"team_{what}": f"{team}/{what}/" for what in ("change", "archive", "regions", "guard", "cache", "prompts")},
        "budgets": "/budgets/",
        "budget": f"{search}/",
        "budget_create": "/budgets/new/",
        "budget_limit": f"{search}/limit/",
        "budget_retire": f"{search}/retire/",
        "budget_increase": f"{search}/increase/",
        "budget_increase_withdraw": f"{search}/increases/{company.increase_id}/withdraw/",
        "budget_ask": f"{search}/ask/",
        "budget_request": f"/budgets/requests/{company.request_id}/",
        "budget_request_withdraw": f"/budgets/requests/{company.request_id}/withdraw/",
        "rate_limits": "/limits/",
        "rate_limit_create": "/limits/new/",
        "rate_limit_amount": f"/limits/{company.limits['Search, a day'].pk}/amount/",
        "rate_limit_retire": f"/limits/{company.limits['Search, a day'].pk}/retire/",
        "load": "/load/keys/",
        "keys": "/keys/",
        "key": f"/keys/{key.pk}/",
        "key_issue": "/keys/new/",
        "key_rotate": f"/keys/{key.pk}/rotate/",
        "key_revoke": f"/keys/{key.pk}/revoke/",
        "keys_revoke": f"/keys/revoke/?key={key.pk}",
        "tokens": "/tokens/",
        "token_issue": "/tokens/new/",
        "token_revoke": f"/tokens/{service_token(company).pk}/revoke/",
        "alerts": "/alerts/",
        "recipient_create": "/alerts/recipients/new/",
        "recipient_test": f"/alerts/recipients/{company.recipient_id}/test/",
        "recipient_remove": f"/alerts/recipients/{company.recipient_id}/remove/",
        "audit": "/audit/",
        "audit_verify": "/audit/verify/",
        "audit_export": "/audit/export/",
        "statements": "/statements/",
        "statement_download": f"/statements/{company.statement_id}/download/",
        "statement_spreadsheet": f"/statements/{company.statement_id}/spreadsheet/",
    }
    return (addresses | _addresses_of_people(company) | _addresses_of_the_catalogue(company))[name]


def _addresses_of_people(company: Company) -> dict[str, str]:
    person = f"/people/{company.person('developer').pk}"
    return {
        "people": "/people/",
        "person": f"{person}/",
        "person_rights": f"{person}/rights/",
        "person_activity": f"{person}/activity/",
        "person_log_out": f"{person}/log-out/",
        "person_second_factor": f"{person}/second-factor/",
        "sign_in_rules": "/people/rules/",
        "identity_providers": "/people/providers/",
        "identity_provider_create": "/people/providers/new/oidc/",
        "identity_provider": f"/people/providers/{company.provider_id}/",
        "provisioning": "/people/provisioning/",
        "provisioning_revoke": f"/people/provisioning/{company.scim_token_id}/revoke/",
        "group_rule_create": "/people/groups/new/",
        "group_rule_remove": f"/people/groups/{company.group_rule_id}/remove/",
        "person_unlink": f"{person}/unlink/",
        "invitation_create": "/people/invite/",
        "invitation_renew": f"/people/invitations/{company.invitation_id}/renew/",
        "invitation_withdraw": f"/people/invitations/{company.invitation_id}/withdraw/",
        "invitation_accept": "/invitations/not-a-link/",
    }


def _addresses_of_the_catalogue(company: Company) -> dict[str, str]:
    return {
        "reports": "/reports/",
        "months": "/months/",
        "month": "/months/2026-10/",
        **{f"month_{step}": f"/months/2026-10/{step}/" for step in ("begin", "reopen", "review", "close", "download")},
        "settings": "/settings/",
        "models": "/models/",
        "model": f"/models/{company.models['falcon-large'].pk}/",
        "model_price": f"/models/{company.models['falcon-large'].pk}/price/",
        "allow_lists": "/allow-lists/",
        "allow_rule_create": "/allow-lists/rules/new/",
        "allow_rule_remove": f"/allow-lists/rules/{company.rule_id}/remove/",
        "access_group_create": "/allow-lists/groups/new/",
        "access_group": f"/allow-lists/groups/{company.group_id}/",
        "access_group_remove": f"/allow-lists/groups/{company.group_id}/remove/",
        "routes": "/routes/",
        "route": f"/routes/{company.alias_id}/",
        "route_create": "/routes/new/",
        "route_change": f"/routes/{company.alias_id}/change/",
        "route_retire": f"/routes/{company.alias_id}/retire/",
        "deployment_create": "/routes/deployments/new/",
        "connections": "/connections/",
        "connection_create": "/connections/new/",
    }


def _look(client: Client, name: str, company: Company) -> int:
    ask = client.post if name in POSTED else client.get
    return ask(_address(name, company)).status_code


def test_the_matrix_names_every_address() -> None:
    names = {pattern.name for pattern in urlpatterns if isinstance(pattern, URLPattern)}

    assert names == set(MATRIX)


def test_each_role_gets_what_it_may_see(busy_company: Company, log_in: LogIn) -> None:
    clients = {role: log_in(role) for role in OF_ALL}

    found = {
        name: {role: client.get(_address(name, busy_company)).status_code for role, client in clients.items()}
        for name in MATRIX
    }

    assert found == MATRIX


def test_what_belongs_to_another_organisation_is_not_there(company: Company, log_in: LogIn) -> None:
    other = found_company(name="Other Company")
    spend_a_month(other)
    # The catalogue of models is the installation's.
    objects = [
        name
        for name in MATRIX
        if re.search(r"/(\d+|[0-9a-f-]{36})/", _address(name, other)) and not name.startswith("model")
    ]

    found = {
        (name, role): _look(log_in(role), name, other) for name in objects for role in ("admin", "owner", "developer")
    }

    assert len(objects) == 48
    assert {status for (_, role), status in found.items() if role == "admin"} == {404}
    assert set(found.values()) <= {403, 404}
