"""Hands letters in at the installation's mail server."""

import smtplib
import ssl
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import localtime

from governance.plugin import DestinationInvalid, NotDelivered, Notice, SettingInvalid, Settings

TIMEOUT_SECONDS = 10
_LONGEST_ADDRESS = 254


class MailNotifier:
    """The channel `mail`; a destination is one e-mail address."""

    name = "mail"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def check(self, *, destination: str) -> None:
        """See Notifier."""
        _address(destination)
        self._host()
        self._sender()

    def deliver(self, *, notice: Notice, destination: str) -> None:
        """See Notifier."""
        letter = self._letter(notice, _address(destination))
        try:
            with self._server() as server:
                user = self._settings.text("BURSAR_EMAIL_USER")
                if user:
                    server.login(user, self._settings.secret("BURSAR_EMAIL_PASSWORD") or "")
                server.send_message(letter)
        except (OSError, smtplib.SMTPException) as error:
            raise NotDelivered(f"The mail server {self._host()} did not take the letter: {error}") from error

    def _letter(self, notice: Notice, to: Address) -> EmailMessage:
        sender = self._sender()
        letter = EmailMessage()
        letter["From"] = Address("Bursar", addr_spec=sender.addr_spec)
        letter["To"] = to
        letter["Subject"] = " ".join(notice.subject.split())
        letter["Date"] = localtime()
        letter["Message-ID"] = f"<{notice.key}@{sender.domain}>"
        letter["Auto-Submitted"] = "auto-generated"
        facts = "".join(f"{name}: {value}\n" for name, value in notice.facts.items())
        letter.set_content(f"{notice.text}\n\n{facts}")
        return letter

    def _server(self) -> smtplib.SMTP:
        host, port = self._host(), self._settings.number("BURSAR_EMAIL_PORT", 587)
        security = self._settings.text("BURSAR_EMAIL_SECURITY", "starttls").lower()
        if security == "tls":
            return smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_SECONDS, context=ssl.create_default_context())
        server = smtplib.SMTP(host, port, timeout=TIMEOUT_SECONDS)
        if security != "none":
            try:
                server.starttls(context=ssl.create_default_context())
            except (OSError, smtplib.SMTPException):
                server.close()
                raise
        return server

    def _host(self) -> str:
        host = self._settings.text("BURSAR_EMAIL_HOST")
        if not host:
            raise SettingInvalid("There is no mail server to hand letters in at: set BURSAR_EMAIL_HOST.")
        return host

    def _sender(self) -> Address:
        sender = self._settings.text("BURSAR_EMAIL_FROM", "bursar@localhost")
        try:
            return _address(sender)
        except DestinationInvalid as error:
            raise SettingInvalid(f"BURSAR_EMAIL_FROM is {sender!r}: it must be one e-mail address.") from error


def _address(text: str) -> Address:
    """Read one bare address. Raises DestinationInvalid."""
    try:
        address = Address(addr_spec=text)
    except (HeaderParseError, ValueError, IndexError) as error:
        raise _no_address(text) from error
    if not address.domain or not text.isascii() or not text.isprintable() or len(text) > _LONGEST_ADDRESS:
        raise _no_address(text)
    return address


def _no_address(text: str) -> DestinationInvalid:
    return DestinationInvalid(
        f"{text[:_LONGEST_ADDRESS]!r} is no e-mail address: give one such as finance@example.com."
    )
