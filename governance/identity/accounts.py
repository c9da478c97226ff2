"""How people get accounts and addresses: administrators and invitations make them; nobody signs up."""

import smtplib
from typing import Any

import structlog
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponseBase

from governance.audit import operations as audit
from governance.audit.operations import Actor
from governance.identity.sessions import note_address
from governance.teams.models import User

log = structlog.get_logger(__name__)


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc] # allauth carries no types
    """allauth's hooks for accounts."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Return False: an account is made by an invitation, in the console or by `bursar`."""
        return False

    def pre_login(self, request: HttpRequest, user: User, **options: Any) -> HttpResponseBase | None:
        """Keep the address that an administrator made the account with as the person's own."""
        if not EmailAddress.objects.filter(user=user, verified=True).exists():
            note_address(user_id=user.pk, email=user.email)
        answer: HttpResponseBase | None = super().pre_login(request, user, **options)
        return answer

    @transaction.atomic
    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        """Put an address whose letter was answered in place of the former one, where nobody else has it."""
        person = User.objects.select_for_update(no_key=True).get(pk=email_address.user_id)
        if User.objects.filter(email=email_address.email).exclude(pk=person.pk).exists():
            messages.error(request, f"{email_address.email} is the address of another account: choose another one.")
            return False
        former = person.email
        if not super().confirm_email(request, email_address):
            return False
        User.objects.filter(pk=person.pk).update(username=email_address.email)
        audit.record(
            actor=Actor(name=former, origin=request.META.get("REMOTE_ADDR", "")),
            action="person.address_changed",
            subject=f"person:{person.pk}",
            before={"email": former},
            after={"email": email_address.email},
        )
        return True

    def send_notification_mail(self, *arguments: Any, **options: Any) -> None:
        """Tell somebody what changed in their account. What changed stays changed where no letter can be sent."""
        try:
            super().send_notification_mail(*arguments, **options)
        except (smtplib.SMTPException, OSError) as error:
            log.warning("notification_not_sent", error=type(error).__name__)
