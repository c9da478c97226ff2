"""Letters to people: plain text, sent at once. A letter that cannot be sent undoes nothing."""

import smtplib

import structlog
from django.conf import settings
from django.core.mail import send_mail
from django.template.loader import render_to_string
from django.urls import reverse

from governance.identity.addresses import absolute
from governance.identity.links import make_token
from governance.identity.models import Invitation

log = structlog.get_logger(__name__)


def invitation_link(invitation: Invitation) -> str:
    """Return the address at which the invitation is accepted."""
    token = make_token(invitation_id=invitation.pk, nonce=invitation.nonce)
    return absolute(reverse("invitation_accept", args=[token]))


def send_invitation(invitation: Invitation) -> bool:
    """Send the link, and return whether the mail server took the letter."""
    context = {"invitation": invitation, "link": invitation_link(invitation)}
    subject = f"You are invited to Bursar by {invitation.organisation}"
    text = render_to_string("identity/invitation.txt", context)
    try:
        send_mail(subject, text, settings.DEFAULT_FROM_EMAIL, [invitation.email])
    except (smtplib.SMTPException, OSError) as error:
        log.warning("invitation_not_sent", invitation=invitation.pk, error=type(error).__name__)
        return False
    return True
