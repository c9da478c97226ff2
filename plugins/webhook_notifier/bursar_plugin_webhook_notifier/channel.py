"""Posts an alert to a URL: signed, to an address that was looked at, within a bound of time."""

import asyncio
import ssl
import time
from collections.abc import Callable

import httpx
import msgspec

from bursar_plugin_webhook_notifier import egress
from bursar_plugin_webhook_notifier.signing import SECRET, parse_secret, signed_headers
from governance.plugin import DestinationInvalid, NotDelivered, Notice, Settings

NETWORKS = "BURSAR_WEBHOOK_ALLOWED_NETWORKS"
TOTAL_SECONDS = 20
_STEP_SECONDS = 10
_LONGEST_URL = 2000
_PORTS = range(1, 65536)


class WebhookNotifier:
    """The channel `webhook`; a destination is an https URL."""

    name = "webhook"

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.time,
        resolve: egress.Resolve = egress.resolve_by_system,
        certificates: ssl.SSLContext | None = None,
        total_seconds: float = TOTAL_SECONDS,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._resolve = resolve
        self._certificates = certificates
        self._total_seconds = total_seconds

    def check(self, *, destination: str) -> None:
        """See Notifier. The host is resolved when something is delivered, not here: what it means may change."""
        _url(destination)
        self._key()
        self._networks()

    def body(self, notice: Notice) -> bytes:
        """Return what is posted."""
        return msgspec.json.encode(notice)

    def proof(self, notice: Notice, body: bytes) -> dict[str, str]:
        """Return the headers by which the receiver knows who sends it."""
        return signed_headers(key=self._key(), message_id=notice.key, timestamp=int(self._clock()), body=body)

    def deliver(self, *, notice: Notice, destination: str) -> None:
        """See Notifier."""
        asyncio.run(self._deliver(notice, _url(destination)))

    async def _deliver(self, notice: Notice, url: httpx.URL) -> None:
        try:
            async with asyncio.timeout(self._total_seconds):
                status = await self._post(notice, url)
        except TimeoutError as error:
            raise NotDelivered(f"{_host(url)} did not answer within {self._total_seconds:g} seconds.") from error
        except (httpx.HTTPError, OSError) as error:
            raise NotDelivered(f"{_host(url)} could not be asked: {type(error).__name__} {error}") from error
        if not 200 <= status < 300:
            raise NotDelivered(f"{_host(url)} answered {status}; only 200 to 299 count as taken, redirects do not.")

    async def _post(self, notice: Notice, url: httpx.URL) -> int:
        networks = self._networks()
        host, port = _host(url), url.port or (443 if url.scheme == "https" else 80)
        address = await egress.find(host, port, networks=networks, resolve=self._resolve)
        if url.scheme != "https" and not egress.is_allowed(address, networks):
            raise NotDelivered(f"{host} is called by https only: http is for networks that {NETWORKS} names.")
        body = self.body(notice)
        headers = {
            "host": url.netloc.decode(),
            "content-type": "application/json",
            "user-agent": "bursar",
            **self.proof(notice, body),
        }
        # The address that was looked at is the one that is called: the name is not resolved again.
        pinned = url.copy_with(host=str(address))
        async with (
            httpx.AsyncClient(
                verify=self._certificates or ssl.create_default_context(),
                timeout=_STEP_SECONDS,
                trust_env=False,
                follow_redirects=False,
            ) as client,
            client.stream("POST", pinned, headers=headers, content=body, extensions={"sni_hostname": host}) as reply,
        ):
            return reply.status_code

    def _key(self) -> bytes:
        return parse_secret(self._settings.secret(SECRET))

    def _networks(self) -> tuple[egress.IPNetwork, ...]:
        return egress.parse_networks(self._settings.names(NETWORKS), setting=NETWORKS)


class SlackNotifier(WebhookNotifier):
    """The channel `slack`: a destination is the URL of an incoming webhook, of Slack or of what understands the same.

    Nothing is signed: whoever knows the URL may post there (docs.slack.dev on incoming webhooks).
    """

    name = "slack"

    def check(self, *, destination: str) -> None:
        """See Notifier."""
        _url(destination)
        self._networks()

    def body(self, notice: Notice) -> bytes:
        """Return the message: its subject in bold. Three signs are Slack's own and are written as it asks."""
        text = notice.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        subject = notice.subject.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("*", "")
        return msgspec.json.encode({"text": f"*{subject}*\n{text}"})

    def proof(self, notice: Notice, body: bytes) -> dict[str, str]:
        """Nothing: the address is the secret."""
        return {}


def _host(url: httpx.URL) -> str:
    """The host as it goes over the wire: international names in their ASCII form."""
    return url.raw_host.decode("ascii")


def _url(text: str) -> httpx.URL:
    """Read the destination. Raises DestinationInvalid."""
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise DestinationInvalid(f"The webhook's URL cannot be read: {error}.") from error
    is_plain = text.isascii() and text.isprintable() and " " not in text and len(text) <= _LONGEST_URL
    if not is_plain or url.scheme not in ("http", "https") or not url.host or (url.port or 1) not in _PORTS:
        raise DestinationInvalid("A webhook is an address such as https://hooks.example.com/budgets.")
    if url.userinfo or url.fragment:
        raise DestinationInvalid(
            "A webhook's URL holds no user, password or fragment: the signature says who sends it."
        )
    return url
