"""Whether a connection's settings can work: asked of the plugin, which describes and sends nothing."""

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec

from governance.connections.errors import ConnectionRefused, ProviderUnknown
from governance.connections.tokens import grant_of
from governance.plugin.errors import ConnectionInvalid
from governance.plugin.provider import ConnectionSettings, Provider, wires_of

MAX_CREDENTIAL_CHARACTERS = 16_384
_ANY_TOKEN = "a-token-that-is-got-later"  # noqa: S105 - stands for one
_MAX_URL_CHARACTERS = 2_000


def provider_named(name: str, *, providers: Mapping[str, Provider]) -> Provider:
    """Return the provider. Raises ProviderUnknown with the names there are."""
    if name not in providers:
        known = ", ".join(sorted(providers)) or "none"
        raise ProviderUnknown(
            f"No installed plugin offers the provider {name!r}. Installed providers: {known}. "
            "Choose one of them, or install its plugin."
        )
    return providers[name]


def check_settings(provider: Provider, settings: ConnectionSettings, *, is_unread: bool = False) -> None:
    """Ask the plugin for the upstream of every wire it speaks, and how it exchanges the credential if it does.

    `is_unread`: the settings hold something else in the credential's place. Raises ConnectionRefused.
    """
    check_base_url(settings.base_url)
    try:
        grant = None if is_unread else grant_of(provider, settings)
        if grant is not None:
            check_base_url(grant.url)
            settings = msgspec.structs.replace(settings, credential=_ANY_TOKEN)
        for wire in sorted(wires_of(provider, settings)):
            check_base_url(provider.upstream(wire=wire, connection=settings).url)
    except ConnectionInvalid as error:
        raise ConnectionRefused(str(error)) from error


def clean_credential(credential: str) -> str:
    """Return the credential as it is kept: a JSON document, such as a service account's key file, without its blanks.

    Refuses what no vendor's key has. Raises ConnectionRefused, without repeating the credential.
    """
    if credential.lstrip().startswith("{"):
        try:
            credential = msgspec.json.format(credential, indent=-1)
        except msgspec.DecodeError as error:
            raise ConnectionRefused("The credential begins like JSON and is none: copy the whole file.") from error
    if len(credential) > MAX_CREDENTIAL_CHARACTERS or not credential.isascii() or not credential.isprintable():
        raise ConnectionRefused(
            "The credential holds characters that no vendor's key has (blanks at line ends, letters outside ASCII), "
            f"or is longer than {MAX_CREDENTIAL_CHARACTERS} characters: copy it again."
        )
    return credential


def check_base_url(url: str) -> None:
    """Refuse addresses that are no vendor's: other schemes, credentials inside, link-local metadata services."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = parts.port
    except ValueError as error:
        raise ConnectionRefused(
            "The base URL cannot be read: give one such as https://api.vendor.example/v1."
        ) from error
    is_plain = url.isascii() and url.isprintable() and " " not in url and len(url) <= _MAX_URL_CHARACTERS
    if not is_plain or parts.scheme not in ("http", "https") or not host or port == 0:
        raise ConnectionRefused("The base URL must be an http or https address such as https://api.vendor.example/v1.")
    if parts.username is not None or parts.password is not None:
        raise ConnectionRefused("The base URL must not hold a user or password: give the credential by itself.")
    if parts.fragment or "\\" in url:
        raise ConnectionRefused("The base URL must not hold a fragment or backslashes.")
    if _is_never_a_vendor(host):
        raise ConnectionRefused(f"The base URL names {host}, where no vendor can be: give the vendor's address.")


def _is_never_a_vendor(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host.rstrip(".").lower() in ("metadata.google.internal", "metadata.goog")
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_link_local or address.is_multicast or address.is_unspecified
