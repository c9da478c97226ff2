"""Letters: handed in at a real server on this machine, encrypted where nothing else was said."""

import email
import email.policy
import socketserver
import threading
from collections.abc import Iterator

import pytest
from bursar_plugin_mail_notifier.channel import MailNotifier

from governance.plugin import DestinationInvalid, NotDelivered, Notice, SettingInvalid, Settings

NOTICE = Notice(
    key="bursar-crossing-5",
    subject="Budget Größe has passed 80 %\nBcc: somebody@example.com",
    text="It has spent 80.00 USD.",
    facts={"budget": "Größe"},
)


class Session(socketserver.StreamRequestHandler):
    """As much SMTP as one letter needs."""

    def handle(self) -> None:
        server = self.server
        assert isinstance(server, PostOffice)
        self.wfile.write(b"220 here\r\n")
        for line in self.rfile:
            server.commands.append(line.decode("latin-1").strip())
            verb = line[:4].upper()
            if verb == b"EHLO":
                self.wfile.write(b"250-here\r\n250-8BITMIME\r\n250 AUTH PLAIN\r\n")
            elif verb == b"AUTH":
                self.wfile.write(b"235 welcome\r\n")
            elif verb == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                server.letters.append(self._letter())
                self.wfile.write(b"250 taken\r\n" if server.takes_letters else b"452 mailbox full\r\n")
            elif verb == b"QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            else:
                self.wfile.write(b"250 yes\r\n")

    def _letter(self) -> bytes:
        lines: list[bytes] = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line)
        return b"".join(lines)


class PostOffice(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Session)
        self.commands: list[str] = []
        self.letters: list[bytes] = []
        self.takes_letters = True


@pytest.fixture
def office() -> Iterator[PostOffice]:
    with PostOffice() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def _notifier(office: PostOffice, **changes: str) -> MailNotifier:
    variables = {
        "BURSAR_EMAIL_HOST": "127.0.0.1",
        "BURSAR_EMAIL_PORT": str(office.server_address[1]),
        "BURSAR_EMAIL_SECURITY": "none",
        "BURSAR_EMAIL_FROM": "bursar@example.com",
    }
    return MailNotifier(Settings(variables | changes))


def test_a_letter_says_what_the_notice_says_and_who_made_it(office: PostOffice) -> None:
    _notifier(office).deliver(notice=NOTICE, destination="finance@example.com")
    (raw,) = office.letters
    letter = email.message_from_bytes(raw, policy=email.policy.default)
    assert letter["To"] == "finance@example.com"
    assert letter["From"] == "Bursar <bursar@example.com>"
    assert letter["Subject"] == "Budget Größe has passed 80 % Bcc: somebody@example.com"
    assert letter["Bcc"] is None
    assert letter["Message-ID"] == "<bursar-crossing-5@example.com>"
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter.get_content().splitlines() == ["It has spent 80.00 USD.", "", "budget: Größe"]
    assert [command for command in office.commands if command.startswith("rcpt")] == ["rcpt TO:<finance@example.com>"]


def test_it_logs_in_where_a_user_is_set(office: PostOffice) -> None:
    _notifier(office, BURSAR_EMAIL_USER="anna", BURSAR_EMAIL_PASSWORD="secret").deliver(
        notice=NOTICE, destination="finance@example.com"
    )
    assert any(command.startswith("AUTH PLAIN") for command in office.commands)
    assert len(office.letters) == 1


@pytest.mark.parametrize("security", ["starttls", "tls", ""])
def test_a_server_without_encryption_gets_neither_letter_nor_password(office: PostOffice, security: str) -> None:
    notifier = _notifier(
        office, BURSAR_EMAIL_SECURITY=security, BURSAR_EMAIL_USER="anna", BURSAR_EMAIL_PASSWORD="secret"
    )
    with pytest.raises(NotDelivered, match="did not take the letter"):
        notifier.deliver(notice=NOTICE, destination="finance@example.com")
    assert office.letters == []
    assert not any(command.startswith("AUTH") for command in office.commands)


def test_a_letter_that_is_not_taken_is_a_failure_with_the_servers_words(office: PostOffice) -> None:
    office.takes_letters = False
    with pytest.raises(NotDelivered, match="mailbox full"):
        _notifier(office).deliver(notice=NOTICE, destination="finance@example.com")


def test_a_server_that_is_not_there_is_a_failure() -> None:
    notifier = MailNotifier(Settings({"BURSAR_EMAIL_HOST": "127.0.0.1", "BURSAR_EMAIL_PORT": "9"}))
    with pytest.raises(NotDelivered, match=r"mail server 127\.0\.0\.1"):
        notifier.deliver(notice=NOTICE, destination="finance@example.com")


def test_without_a_server_it_says_which_variable_to_set() -> None:
    with pytest.raises(SettingInvalid, match="set BURSAR_EMAIL_HOST"):
        MailNotifier(Settings({})).check(destination="finance@example.com")


@pytest.mark.parametrize(
    "destination", ["", "finance", "a@b@c", "a@b, c@d", "a@b\nBcc: x@y", "Anna <a@b.example>", "ä@b.example", "@b"]
)
def test_what_is_no_address_is_refused(office: PostOffice, destination: str) -> None:
    with pytest.raises(DestinationInvalid, match="is no e-mail address"):
        _notifier(office).check(destination=destination)


def test_a_sender_that_is_no_address_is_refused(office: PostOffice) -> None:
    with pytest.raises(SettingInvalid, match="BURSAR_EMAIL_FROM"):
        _notifier(office, BURSAR_EMAIL_FROM="Bursar").check(destination="finance@example.com")
