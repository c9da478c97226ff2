"""Webhooks: signed, sent to the address that was looked at, and never into the operator's own network."""

import datetime
import ipaddress
import json
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from bursar_plugin_webhook_notifier import egress
from bursar_plugin_webhook_notifier.channel import SlackNotifier, WebhookNotifier
from bursar_plugin_webhook_notifier.signing import parse_secret, signed_headers
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from governance.plugin import DestinationInvalid, NotDelivered, Notice, SettingInvalid, Settings

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NOTICE = Notice(key="bursar-crossing-5", subject="Budget Search", text="It has spent 80 %.", facts={"budget": "Search"})


class Hook(BaseHTTPRequestHandler):
    """Keeps what was posted and answers with the server's status."""

    def do_POST(self) -> None:
        server = self.server
        assert isinstance(server, Receiver)
        body = self.rfile.read(int(self.headers["content-length"]))
        server.posted.append((self.path, dict(self.headers.items()), body))
        self.send_response(server.status)
        if server.status >= 300:
            self.send_header("location", f"http://127.0.0.1:{server.server_port}/elsewhere")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Receiver(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Hook)
        self.posted: list[tuple[str, dict[str, str], bytes]] = []
        self.status = 204


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def _settings(**changes: str) -> Settings:
    variables = {"BURSAR_WEBHOOK_SECRET": SECRET, "BURSAR_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.1/32", **changes}
    return Settings({name: value for name, value in variables.items() if value})


def _resolving(*addresses: str) -> egress.Resolve:
    async def resolve(host: str, port: int) -> Sequence[str]:
        return addresses

    return resolve


def test_the_signature_is_that_of_standard_webhooks() -> None:
    headers = signed_headers(
        key=parse_secret(SECRET),
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=1614265330,
        body=b'{"test": 2432232314}',
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_notice_is_posted_once_as_json_and_its_signature_fits_its_bytes(receiver: Receiver) -> None:
    notifier = WebhookNotifier(_settings(), clock=lambda: 1_764_000_000.9)
    notifier.deliver(notice=NOTICE, destination=f"http://127.0.0.1:{receiver.server_port}/budgets?team=search")
    ((path, headers, body),) = receiver.posted
    assert path == "/budgets?team=search"
    assert json.loads(body) == {
        "key": "bursar-crossing-5",
        "subject": "Budget Search",
        "text": "It has spent 80 %.",
        "facts": {"budget": "Search"},
    }
    signed = signed_headers(key=parse_secret(SECRET), message_id=NOTICE.key, timestamp=1_764_000_000, body=body)
    assert {name: headers[name] for name in signed} == signed
    assert headers["content-type"] == "application/json"


def test_slack_gets_a_message_without_signs_of_its_own_and_needs_no_secret(receiver: Receiver) -> None:
    notifier = SlackNotifier(_settings(BURSAR_WEBHOOK_SECRET=""))
    destination = f"http://127.0.0.1:{receiver.server_port}/services/T0/B0/x"
    notifier.check(destination=destination)
    notice = Notice(key="k", subject="Budget *R&D*", text="See <https://x|this> & <!channel>.")
    notifier.deliver(notice=notice, destination=destination)
    ((path, headers, body),) = receiver.posted
    assert path == "/services/T0/B0/x"
    assert json.loads(body) == {"text": "*Budget R&amp;D*\nSee &lt;https://x|this&gt; &amp; &lt;!channel&gt;."}
    assert not [name for name in headers if name.lower().startswith("webhook-")]


def test_slack_is_not_called_inside_either(receiver: Receiver) -> None:
    notifier = SlackNotifier(_settings(BURSAR_WEBHOOK_ALLOWED_NETWORKS=""))
    with pytest.raises(NotDelivered, match="not a public one"):
        notifier.deliver(notice=NOTICE, destination=f"http://127.0.0.1:{receiver.server_port}/")
    assert receiver.posted == []


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_c2hvcnQ=", "not base64!", "whsec_" + "AAAA" * 10])
def test_without_a_real_secret_nothing_is_sent(receiver: Receiver, secret: str) -> None:
    notifier = WebhookNotifier(_settings(BURSAR_WEBHOOK_SECRET=secret))
    with pytest.raises(SettingInvalid, match="BURSAR_WEBHOOK_SECRET must be whsec_"):
        notifier.check(destination="https://hooks.example.com/")
    with pytest.raises(SettingInvalid):
        notifier.deliver(notice=NOTICE, destination=f"http://127.0.0.1:{receiver.server_port}/")
    assert receiver.posted == []


def test_the_secret_may_lie_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(SECRET + "\n")
    settings = Settings({"BURSAR_WEBHOOK_SECRET_FILE": str(file)})
    WebhookNotifier(settings).check(destination="https://hooks.example.com/")
    file.write_text("")
    with pytest.raises(SettingInvalid, match="which is empty"):
        WebhookNotifier(settings).check(destination="https://hooks.example.com/")


@pytest.mark.parametrize("status", [301, 307, 400, 404, 500])
def test_whatever_is_no_success_is_a_failure_and_redirects_are_not_followed(receiver: Receiver, status: int) -> None:
    receiver.status = status
    with pytest.raises(NotDelivered, match=f"answered {status}"):
        WebhookNotifier(_settings()).deliver(notice=NOTICE, destination=f"http://127.0.0.1:{receiver.server_port}/")
    assert len(receiver.posted) == 1


def test_a_receiver_that_does_not_answer_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        notifier = WebhookNotifier(_settings(), total_seconds=0.2)
        with pytest.raises(NotDelivered, match=r"did not answer within 0\.2 seconds"):
            notifier.deliver(notice=NOTICE, destination=f"http://127.0.0.1:{silent.getsockname()[1]}/")


def test_an_address_that_is_not_public_is_not_called(receiver: Receiver) -> None:
    notifier = WebhookNotifier(_settings(BURSAR_WEBHOOK_ALLOWED_NETWORKS=""))
    for host in ("127.0.0.1", "localhost", "2130706433", "[::1]", "[::ffff:127.0.0.1]"):
        with pytest.raises(NotDelivered, match="not a public one"):
            notifier.deliver(notice=NOTICE, destination=f"http://{host}:{receiver.server_port}/")
    assert receiver.posted == []


FORBIDDEN = """
    0.0.0.0 10.0.0.1 100.64.0.1 100.100.100.200 127.8.8.8 168.63.129.16 169.254.169.254 172.16.0.1 192.0.0.8
    192.168.1.1 198.18.0.1 224.0.0.1 240.0.0.1 255.255.255.255
    :: ::1 fe80::1 fc00::1 fd00:ec2::254 ff02::1 ::ffff:10.0.0.1 64:ff9b::7f00:1 2002:7f00:1::
    2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:db8::1
"""


@pytest.mark.parametrize("address", FORBIDDEN.split())
def test_one_forbidden_address_among_those_of_a_name_is_enough_to_refuse_it(address: str) -> None:
    notifier = WebhookNotifier(_settings(), resolve=_resolving("93.184.215.14", address))
    with pytest.raises(NotDelivered, match="not a public one"):
        notifier.deliver(notice=NOTICE, destination="https://hooks.example.com/")


def test_public_addresses_may_be_called() -> None:
    for address in ("93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"):
        assert egress.is_callable(ipaddress.ip_address(address), ())


def test_plain_http_is_for_allowed_networks_only() -> None:
    notifier = WebhookNotifier(_settings(), resolve=_resolving("93.184.215.14"))
    with pytest.raises(NotDelivered, match="by https only"):
        notifier.deliver(notice=NOTICE, destination="http://hooks.example.com/")


def test_a_name_is_resolved_once_and_its_certificate_is_checked_by_that_name(
    receiver: Receiver, tmp_path: Path
) -> None:
    trusting = _serve_tls(receiver, "hooks.example.test", tmp_path)
    asked: list[str] = []

    async def resolve(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"]

    notifier = WebhookNotifier(_settings(), resolve=resolve, certificates=trusting)
    notifier.deliver(notice=NOTICE, destination=f"https://hooks.example.test:{receiver.server_port}/")
    assert asked == ["hooks.example.test"]
    assert receiver.posted[0][1]["host"] == f"hooks.example.test:{receiver.server_port}"
    with pytest.raises(NotDelivered, match="could not be asked"):
        notifier.deliver(notice=NOTICE, destination=f"https://other.example.test:{receiver.server_port}/")
    assert len(receiver.posted) == 1


def _serve_tls(receiver: Receiver, name: str, folder: Path) -> ssl.SSLContext:
    """Let the receiver speak TLS with a certificate for this name, and return a context that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    chain = folder / "chain.pem"
    chain.write_bytes(certificate + private)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(chain)
    receiver.socket = serving.wrap_socket(receiver.socket, server_side=True)
    return ssl.create_default_context(cadata=certificate.decode())


@pytest.mark.parametrize(
    "destination",
    [
        "",
        "hooks",
        "ftp://x.example/",
        "https://",
        "https://a:b@x.example/",
        "https://x.example/#a",
        "https://x.example:99999/",
    ],
)
def test_what_is_no_url_is_refused_with_a_sentence(destination: str) -> None:
    with pytest.raises(DestinationInvalid, match=r"\.$"):
        WebhookNotifier(_settings()).check(destination=destination)


def test_a_network_that_cannot_be_read_is_refused() -> None:
    notifier = WebhookNotifier(_settings(BURSAR_WEBHOOK_ALLOWED_NETWORKS="10.0.0.1/8"))
    with pytest.raises(SettingInvalid, match="must name networks such as"):
        notifier.check(destination="https://hooks.example.com/")
