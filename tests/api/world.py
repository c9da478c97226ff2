"""Every operation of the API with a body that makes sense, and what its address names in a company."""

import re
from dataclasses import dataclass
from typing import Any

from governance.alerts.models import Recipient
from governance.api.urls import ADDRESSES
from governance.catalog.models import AccessGroup, Deployment, ModelAlias
from governance.policy.models import AllowRule
from tests.api.asking import SERVICE, api_of
from tests.console.demo import Company

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True)
class Operation:
    """A method of an address."""

    method: str
    address: str
    area: str
    is_reading: bool

    def __str__(self) -> str:
        return f"{self.method} {self.address}"


def operations() -> list[Operation]:
    """Return every operation that the URL configuration has."""
    return [
        Operation(method, address, view.area, method == "GET" or method in view.reads_by)
        for address, view in ADDRESSES.items()
        for method in METHODS
        if hasattr(view, method.lower())
    ]


def names(company: Company) -> dict[str, Any]:
    """Return what stands for each name in an address: something of this company."""
    group = AccessGroup.objects.create(organisation=company.organisation, name="unused", patterns=["*"])
    rule = AllowRule.objects.create(organisation=company.organisation, pattern="*")
    recipient = Recipient.objects.create(
        organisation=company.organisation, notifier="nobody", destination=f"{company.organisation.pk}"
    )
    alias = ModelAlias.objects.get(organisation=company.organisation, name="falcon-mini")
    return {
        "token_id": api_of(company, SERVICE, ["all:read"]).token.pk,  # type: ignore[union-attr]
        "team_id": company.teams["search"].pk,
        "user_id": company.person("developer").pk,
        "guard": "personal",
        "role": "auditor",
        "key_id": company.keys["search-production"].pk,
        "budget_id": company.budgets["Search"].pk,
        "increase_id": company.increase_id,
        "request_id": company.request_id,
        "limit_id": company.limits["Search, a day"].pk,
        "group_id": group.pk,
        "rule_id": rule.pk,
        "connection_id": company.connection.pk if company.connection is not None else 0,
        "model_id": company.models["falcon-large"].pk,
        "deployment_id": Deployment.objects.get(alias_targets__alias=alias).pk,
        "alias_id": alias.pk,
        "attempt_id": company.latest_record(key="search-production").attempt_id,
        "statement_id": company.statement_id,
        "month": "2026-11",
        "recipient_id": recipient.pk,
        "unit_id": company.teams["search"].unit_id,
        "invitation_id": company.invitation_id,
        "provider_id": company.provider_id,
        "group_rule_id": company.group_rule_id,
        "scim_token_id": company.scim_token_id,
    }


def filled(operation: Operation, named: dict[str, Any], company: Company) -> str:
    """Return the address with what it names."""
    if operation.address.endswith("settle"):
        named = named | {"attempt_id": company.suspense_id}
    return re.sub(r"<\w+:(\w+)>", lambda match: str(named[match[1]]), operation.address)


def bodies(company: Company) -> dict[str, Any]:
    """Return a body for each operation that takes one."""
    team_id, unit_id = company.teams["search"].pk, company.teams["search"].unit_id
    reason = {"reason": "because"}
    return {
        "POST tokens/<int:token_id>/revoke": reason,
        "POST teams": {
            "name": "new",
            "unit_id": unit_id,
            "cost_centre_id": company.teams["search"].cost_centre_id,
        },
        "PATCH teams/<int:team_id>": {"required_tags": ["feature"], "regions": ["eu"]},
        "POST teams/<int:team_id>/archive": reason,
        "PUT teams/<int:team_id>/members/<int:user_id>": {"part": "owner"},
        "PUT teams/<int:team_id>/guards/<str:guard>": {"requests": "block", "replies": None},
        "PUT teams/<int:team_id>/cache": {"ttl_seconds": 60, "max_bytes": 65_536},
        "PUT teams/<int:team_id>/prompts": {"days": 1, "max_bytes": 1024},
        "POST units": {"name": "new"},
        "PATCH units/<int:unit_id>": {"regions": ["eu"]},
        "PATCH organisation": {"drift_alarm_permille": 25},
        "POST cost-centres": {"code": "new"},
        "POST people": {"email": f"new@{company.organisation.pk}.example"},
        "PATCH people/<int:user_id>": {"is_active": False},
        "POST keys": {"team_id": team_id, "name": "new"},
        "POST keys/<int:key_id>/rotate": {"grace_hours": 1},
        "POST keys/<int:key_id>/revoke": reason,
        "POST budgets": {"name": "new", "team_id": team_id, "limit_usd": "1", "window": "day"},
        "PATCH budgets/<int:budget_id>": {"limit_usd": "1.5", "thresholds": [{"percent": 80}]},
        "POST budgets/<int:budget_id>/retire": reason,
        "POST budgets/<int:budget_id>/increases": {"amount_usd": "1", "ends_at": "2027-01-01T00:00:00Z"},
        "POST budgets/<int:budget_id>/increases/<int:increase_id>/withdraw": reason,
        "POST budgets/<int:budget_id>/increase-requests": {"amount_usd": "1", **reason},
        "POST increase-requests/<int:request_id>/approve": {},
        "POST increase-requests/<int:request_id>/decline": reason,
        "POST limits": {"name": "new", "counts": "requests", "amount": 1, "window": "minute"},
        "PATCH limits/<int:limit_id>": {"amount": 5},
        "POST limits/<int:limit_id>/retire": reason,
        "POST access-groups": {"name": "new", "patterns": ["a-*"]},
        "PATCH access-groups/<int:group_id>": {"patterns": ["b-*"]},
        "POST allow-rules": {"team_id": team_id, "pattern": "a-*"},
        "POST connections": {"name": "new", "provider": "sandbox"},
        "PATCH connections/<int:connection_id>": {"is_enabled": False},
        "PUT connections/<int:connection_id>/credential": {"credential": "something secret"},
        "POST deployments": {
            "model_id": company.models["falcon-mini"].pk,
            "connection_id": company.connection.pk if company.connection is not None else 0,
        },
        "PATCH deployments/<int:deployment_id>": {"is_enabled": False},
        "POST aliases": {
            "name": "new",
            "deployment_ids": [Deployment.objects.filter(connection=company.connection)[0].pk],
        },
        "PATCH aliases/<int:alias_id>": {"leaves_own": True},
        **_later_bodies(company),
        "POST requests/<uuid:attempt_id>/settle": {"cost_usd": "0", **reason},
        "POST requests/<uuid:attempt_id>/prompt": reason,
        "POST recipients": {"notifier": "nobody", "destination": "ops@acme.example"},
    }


def _later_bodies(company: Company) -> dict[str, Any]:
    reason = {"reason": "because"}
    return {
        "POST aliases/<int:alias_id>/dry-run": {"team_id": company.teams["search"].pk},
        "POST models": {"provider": "sandbox", "name": f"new-{company.organisation.pk}"},
        "PATCH models/<int:model_id>/limits": {"max_output_tokens": 4096},
        "PUT models/<int:model_id>/prices": {"usd_per_million": {"input": "1", "output": "2.5"}, "is_confirmed": True},
        "POST people/<int:user_id>/log-out": reason,
        "POST people/<int:user_id>/second-factor/remove": reason,
        "POST people/<int:user_id>/unlink": reason,
        "POST invitations": {"email": f"guest@{company.organisation.pk}.example", "roles": ["auditor"]},
        "PATCH sign-in-rules": {"are_personal_keys_kept": True},
        "POST identity-providers": {
            "kind": "oidc",
            "slug": f"new-{company.organisation.pk}",
            "name": "New",
            "issuer": "https://login.example",
            "client_id": "bursar",
        },
        "PATCH identity-providers/<int:provider_id>": {"is_enabled": False},
        "PUT identity-providers/<int:provider_id>/secret": {"client_secret": "something secret"},
        "POST group-rules": {"group": "new", "role": "auditor"},
        "POST scim-tokens": {"name": "new"},
        "POST months/<str:month>/begin": reason,
        "POST months/<str:month>/review": reason,
        "POST months/<str:month>/reopen": reason,
        "POST audit-events/export": {"action": "key"},
        "POST audit-events/proof": {},
    }
