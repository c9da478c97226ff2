"""Every page of the console, by who opens it: what is photographed, and held to axe's rules."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from django.urls import URLPattern, resolve
from playwright.sync_api import Page

from governance.chargeback.models import MonthClose
from governance.console.urls import urlpatterns
from governance.core.clock import utc_now
from governance.identity.letters import invitation_link
from governance.identity.models import Invitation
from tests.browser.conftest import Visitor
from tests.console.demo import PASSWORD, Company, service_token, welcome_newcomer

NO_PAGES = {
    "overview_figures",
    "invitation_renew",
    "invitation_withdraw",
    "provisioning_revoke",
    "group_rule_remove",
    "requests_rows",
    "budget_request_withdraw",
    "recipient_test",
    "audit_export",
    "statement_download",
    "statement_spreadsheet",
    "month_download",
    "month_review",
}
"""Addresses that answer with a part of a page, a redirection or a file."""
_EMPTY = (
    "",
    "requests/",
    "budgets/",
    "limits/",
    "teams/",
    "keys/",
    "models/",
    "allow-lists/",
    "routes/",
    "connections/",
    "reports/",
    "statements/",
    "alerts/",
    "audit/",
)
_WORSE_THAN_MODERATE = {"serious", "critical"}


def visited_pages(company: Company, visit: Visitor, *, width: int, theme: str) -> Iterator[tuple[str, Page]]:
    """Open every page in a window of this width, as whom it is meant for, and yield it by a short name."""
    window = visit(width=width, theme=theme)
    window.open("/account/login/")
    yield "log-in", window.page
    for person, pages in pages_by_person(company).items():
        if person == "newcomer":
            # Of another organisation: until it is there, the administrator is the whole installation's.
            welcome_newcomer(company)
        window = visit(width=width, theme=theme)
        window.log_in(company.person(person).email, PASSWORD)
        for name, path in pages.items():
            window.open(path)
            yield name, window.page
        window.forgive_missing_pages()


def serious_findings(page: Page) -> list[str]:
    """Return what axe-core finds serious or critical on the page."""
    violations = Axe().run(page).response["violations"]
    return [
        f"{violation['id']}: {node['target']} {node.get('failureSummary', '')}"
        for violation in violations
        if violation["impact"] in _WORSE_THAN_MODERATE
        for node in violation["nodes"][:3]
    ]


def forgotten_addresses(company: Company) -> set[str]:
    """Return the names of the console's addresses that no listed page has."""
    listed = {
        resolve(path.partition("?")[0]).url_name
        for pages in pages_by_person(company).values()
        for path in pages.values()
    }
    return {pattern.name or "" for pattern in urlpatterns if isinstance(pattern, URLPattern)} - listed - NO_PAGES


def pages_by_person(company: Company) -> dict[str, dict[str, str]]:
    """Return addresses by a short name: an administrator's, and what only others see."""
    search = f"/budgets/{company.budgets['Search'].pk}"
    empty = {f"empty-{path.strip('/') or 'overview'}": f"/{path}" for path in _EMPTY}
    return {
        "admin": {**_daily_pages(company), **_governing_pages(company), **_catalogue_pages(company)},
        "developer": {"budget-ask": f"{search}/ask/", "developer-overview": "/"},
        "newcomer": empty,
    }


def _daily_pages(company: Company) -> dict[str, str]:
    record = company.latest_record()
    suspense = f"/requests/{company.suspense_id}"
    month = f"/months/{MonthClose.objects.get(organisation=company.organisation).month:%Y-%m}"
    return {
        "overview": "/",
        "requests": "/requests/",
        "request": f"/requests/{record.attempt_id}/",
        "request-suspense": f"{suspense}/",
        "request-settle": f"{suspense}/settle/",
        "request-prompt": f"/requests/{record.attempt_id}/prompt/",
        "requests-none": "/requests/?since=2020-01-01&until=2020-01-02",
        "people": "/people/",
        "person": f"/people/{company.person('developer').pk}/",
        "person-rights": f"/people/{company.person('developer').pk}/rights/",
        "person-activity": f"/people/{company.person('developer').pk}/activity/",
        "person-second-factor": f"/people/{company.person('developer').pk}/second-factor/",
        "person-log-out": f"/people/{company.person('developer').pk}/log-out/",
        "person-unlink": f"/people/{company.person('developer').pk}/unlink/",
        "sign-in-rules": "/people/rules/",
        "invitation-new": "/people/invite/",
        "invitation": urlsplit(invitation_link(Invitation.objects.get(pk=company.invitation_id))).path,
        "invitation-over": "/invitations/none/",
        "tokens": "/tokens/",
        "token-new": "/tokens/new/",
        "token-revoke": f"/tokens/{service_token(company).pk}/revoke/",
        "identity-providers": "/people/providers/",
        "identity-provider-new": "/people/providers/new/oidc/",
        "saml-provider-new": "/people/providers/new/saml/",
        "identity-provider": f"/people/providers/{company.provider_id}/",
        "provisioning": "/people/provisioning/",
        "group-rule-new": "/people/groups/new/",
        "reports": "/reports/",
        "reports-year": "/reports/?since=2026-01-01&until=2026-12-31",
        "statements": "/statements/",
        "months": "/months/",
        "month": f"{month}/",
        "month-running": f"/months/{utc_now():%Y-%m}/",
        **{f"month-{step}": f"{month}/{step}/" for step in ("begin", "reopen", "close")},
        "alerts": "/alerts/",
        "recipient-new": "/alerts/recipients/new/",
        "recipient-remove": f"/alerts/recipients/{company.recipient_id}/remove/",
        "settings": "/settings/",
        "audit": "/audit/",
        "audit-verify": "/audit/verify/",
        "not-found": "/budgets/999999/",
        "mfa": "/account/2fa/",
        "password": "/account/password/change/",
        "address": "/account/email/",
        "sessions": "/account/sessions/",
    }


def _governing_pages(company: Company) -> dict[str, str]:
    key = company.keys["search-production"].pk
    budget, search = f"/budgets/{company.budgets['Assistant'].pk}", f"/budgets/{company.budgets['Search'].pk}"
    limit, team = f"/limits/{company.limits['Search, a day'].pk}", f"/teams/{company.teams['search'].pk}"
    return {
        "budgets": "/budgets/",
        "budget": f"{budget}/",
        "budget-new": f"/budgets/new/?key={key}",
        "budget-limit": f"{budget}/limit/",
        "budget-increase": f"{budget}/increase/",
        "budget-increase-withdraw": f"{search}/increases/{company.increase_id}/withdraw/",
        "budget-request": f"/budgets/requests/{company.request_id}/",
        "budget-retire": f"{budget}/retire/",
        "limits": "/limits/",
        "limit-new": f"/limits/new/?key={key}",
        "limit-amount": f"{limit}/amount/",
        "limit-retire": f"{limit}/retire/",
        "allow-lists": f"/allow-lists/?alias=falcon-large&team={company.teams['search'].pk}",
        "allow-rule-new": f"/allow-lists/rules/new/?key={key}",
        "allow-rule-remove": f"/allow-lists/rules/{company.rule_id}/remove/",
        "access-group-new": "/allow-lists/groups/new/",
        "access-group": f"/allow-lists/groups/{company.group_id}/",
        "access-group-remove": f"/allow-lists/groups/{company.group_id}/remove/",
        "teams": "/teams/",
        "team": f"{team}/",
        "team-new": "/teams/new/",
        "unit-rename": f"/teams/units/{company.teams['search'].unit_id}/",
        "member-add": f"{team}/members/new/",
        "member-change": f"{team}/members/{company.people['developer'].pk}/",
        **{f"team-{what}": f"{team}/{what}/" for what in ("change", "archive", "regions", "guard", "cache", "prompts")},
        "load": "/load/budgets/",
        "keys": "/keys/",
        "key": f"/keys/{key}/",
        "key-new": "/keys/new/",
        "key-rotate": f"/keys/{key}/rotate/",
        "key-revoke": f"/keys/{key}/revoke/",
        "keys-revoke": f"/keys/revoke/?key={key}",
    }


def _catalogue_pages(company: Company) -> dict[str, str]:
    return {
        "models": "/models/",
        "model": f"/models/{company.models['falcon-large'].pk}/",
        "model-price": f"/models/{company.models['falcon-large'].pk}/price/",
        "routes": "/routes/",
        "route": f"/routes/{company.alias_id}/?team={company.teams['search'].pk}&input_tokens=1000&output_tokens=500",
        "route-new": "/routes/new/",
        "route-change": f"/routes/{company.alias_id}/change/",
        "route-retire": f"/routes/{company.alias_id}/retire/",
        "deployment-new": "/routes/deployments/new/",
        "connections": "/connections/",
        "connection-new": "/connections/new/",
    }
