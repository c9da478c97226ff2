"""How people get accounts: administrators make them; nobody signs up."""

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest


class ClosedSignUpAdapter(DefaultAccountAdapter):  # type: ignore[misc] # allauth carries no types
    """allauth's hooks for accounts."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Return False: an account is made in the console or by `bursar`."""
        return False
