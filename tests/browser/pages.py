"""Every page of the console that an administrator of the demo company can open."""

from tests.console.demo import Company


def every_page(company: Company) -> dict[str, str]:
    """Return the pages' addresses by a short name."""
    first = company.keys["search-production"]
    record = company.latest_record()
    return {
        "overview": "/",
        "requests": "/requests/",
        "request": f"/requests/{record.attempt_id}/",
        "request-suspense": f"/requests/{company.suspense_id}/",
        "request-settle": f"/requests/{company.suspense_id}/settle/",
        "requests-none": "/requests/?since=2020-01-01&until=2020-01-02",
        "budgets": "/budgets/",
        "budget": f"/budgets/{company.budgets['Assistant'].pk}/",
        "budget-new": f"/budgets/new/?key={first.pk}",
        "budget-limit": f"/budgets/{company.budgets['Assistant'].pk}/limit/",
        "budget-increase": f"/budgets/{company.budgets['Assistant'].pk}/increase/",
        "budget-request": f"/budgets/requests/{company.request_id}/",
        "budget-retire": f"/budgets/{company.budgets['Assistant'].pk}/retire/",
        "limits": "/limits/",
        "limit-new": f"/limits/new/?key={first.pk}",
        "limit-amount": f"/limits/{company.limits['Search, a day'].pk}/amount/",
        "limit-retire": f"/limits/{company.limits['Search, a day'].pk}/retire/",
        "request-prompt": f"/requests/{record.attempt_id}/prompt/",
        "teams": "/teams/",
        "team": f"/teams/{company.teams['search'].pk}/",
        "team-cache": f"/teams/{company.teams['search'].pk}/cache/",
        "team-prompts": f"/teams/{company.teams['search'].pk}/prompts/",
        "keys": "/keys/",
        "key": f"/keys/{first.pk}/",
        "key-new": "/keys/new/",
        "key-rotate": f"/keys/{first.pk}/rotate/",
        "key-revoke": f"/keys/{first.pk}/revoke/",
        "people": "/people/",
        "person": f"/people/{company.person('developer').pk}/",
        "person-rights": f"/people/{company.person('developer').pk}/rights/",
        "person-activity": f"/people/{company.person('developer').pk}/activity/",
        "person-second-factor": f"/people/{company.person('developer').pk}/second-factor/",
        "sign-in-rules": "/people/rules/",
        "invitation-new": "/people/invite/",
        "identity-providers": "/people/providers/",
        "identity-provider-new": "/people/providers/new/oidc/",
        "identity-provider": f"/people/providers/{company.provider_id}/",
        "group-rule-new": "/people/groups/new/",
        "models": "/models/",
        "model": f"/models/{company.models['falcon-large'].pk}/",
        "connections": "/connections/",
        "connection-new": "/connections/new/",
        "statements": "/statements/",
        "not-found": "/budgets/999999/",
        "mfa": "/account/2fa/",
        "password": "/account/password/change/",
        "address": "/account/email/",
        "sessions": "/account/sessions/",
    }
