"""Passwords of people who have none: an identity provider lets them in, and nothing goes round it."""

from allauth.account.forms import ResetPasswordForm
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from governance.teams.models import User


class ResetForm(ResetPasswordForm):  # type: ignore[misc] # allauth carries no types
    """Sends letters only to people who have a password to reset; to everybody else the same page."""

    def clean_email(self) -> str:
        """Leave out whoever has no password."""
        email: str = super().clean_email()
        self.users: list[User] = [user for user in self.users if user.has_usable_password()]
        return email


def refuse(request: HttpRequest) -> HttpResponse:
    """Say that there is no password to set."""
    messages.error(request, "Your identity provider lets you in: there is no password here.")
    return redirect("mfa_index")
