"""Letting people in and keeping them out, with everything that follows: their sessions and their own keys."""

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from governance.audit import operations as audit
from governance.audit.operations import Actor
from governance.identity.errors import PersonElsewhere
from governance.identity.models import SignInRules
from governance.identity.sessions import drop_second_factors, drop_sessions
from governance.keys.models import VirtualKey
from governance.keys.operations import revoke
from governance.teams import people
from governance.teams import queries as teams
from governance.teams.models import BusinessUnit, User


@transaction.atomic
def deactivate(*, actor: Actor, at: datetime, organisation_id: int, user_id: int, reason: str = "") -> User:
    """Keep somebody out from their next request on: no session, and none of their own keys, unless keys are kept.

    Raises LastAdministrator, PersonElsewhere.
    """
    _refuse_elsewhere(user_id=user_id, organisation_id=organisation_id)
    person = people.change_activity(actor=actor, user_id=user_id, is_active=False, reason=reason)
    drop_sessions(user_id=person.pk)
    if not sign_in_rules(organisation_id=organisation_id).are_personal_keys_kept:
        keys = VirtualKey.objects.filter(user=person, organisation_id=organisation_id, revoked_at=None).order_by("id")
        for key_id in keys.values_list("id", flat=True):
            revoke(actor=actor, at=at, key_id=key_id, reason=f"{person.email} was deactivated")
    return person


@transaction.atomic
def reactivate(*, actor: Actor, organisation_id: int, user_id: int, reason: str = "") -> User:
    """Let somebody in again. Revoked keys stay revoked. Raises PersonElsewhere."""
    _refuse_elsewhere(user_id=user_id, organisation_id=organisation_id)
    return people.change_activity(actor=actor, user_id=user_id, is_active=True, reason=reason)


@transaction.atomic
def forget_second_factor(*, actor: Actor, organisation_id: int, user_id: int, reason: str = "") -> None:
    """Remove the second factors of somebody who lost them, and log them out. Raises PersonElsewhere."""
    _refuse_elsewhere(user_id=user_id, organisation_id=organisation_id)
    drop_second_factors(actor=actor, user_id=user_id, reason=reason)


@transaction.atomic
def set_rights(
    *,
    actor: Actor,
    organisation_id: int,
    user_id: int,
    roles: frozenset[people.Role],
    units: frozenset[int],
    parts: Mapping[int, people.Part],
) -> None:
    """Give somebody these roles in the organisation, these of its units and parts in its living teams, and no others.

    Raises PersonNotFound, LastAdministrator.
    """
    for role in people.Role:
        change = people.give_role if role in roles else people.take_role
        change(actor=actor, user_id=user_id, organisation_id=organisation_id, role=role)
    for unit_id in BusinessUnit.objects.filter(organisation_id=organisation_id).values_list("id", flat=True):
        own = people.give_unit if unit_id in units else people.take_unit
        own(actor=actor, user_id=user_id, unit_id=unit_id)
    for team_id in teams.teams_of(organisation_id=organisation_id).values_list("id", flat=True):
        if team_id in parts:
            people.set_membership(actor=actor, user_id=user_id, team_id=team_id, part=parts[team_id])
        else:
            people.remove_membership(actor=actor, user_id=user_id, team_id=team_id)


def sign_in_rules(*, organisation_id: int) -> SignInRules:
    """Return what the organisation asks of its people."""
    found = SignInRules.objects.filter(organisation_id=organisation_id).first()
    return found if found is not None else SignInRules(organisation_id=organisation_id)


@transaction.atomic
def change_sign_in_rules(
    *, actor: Actor, organisation_id: int, is_second_factor_required: bool, are_personal_keys_kept: bool
) -> SignInRules:
    """Set what the organisation asks of its people."""
    organisation = teams.organisation(organisation_id=organisation_id)
    rules = sign_in_rules(organisation_id=organisation.pk)
    before = _facts(rules)
    rules.is_second_factor_required = is_second_factor_required
    rules.are_personal_keys_kept = are_personal_keys_kept
    if _facts(rules) == before:
        return rules
    rules.save()
    audit.record(
        actor=actor,
        action="organisation.sign_in_rules_changed",
        subject=f"organisation:{organisation.pk}",
        before=before,
        after=_facts(rules),
    )
    return rules


def _facts(rules: SignInRules) -> dict[str, object]:
    return {
        "is_second_factor_required": rules.is_second_factor_required,
        "are_personal_keys_kept": rules.are_personal_keys_kept,
    }


def _refuse_elsewhere(*, user_id: int, organisation_id: int) -> None:
    if teams.homes_of(user_id=user_id) - {organisation_id}:
        raise PersonElsewhere(
            "This person belongs to another organisation too: take away their roles and teams in yours instead."
        )
