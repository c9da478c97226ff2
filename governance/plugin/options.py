"""Options of a connection, for plugins that have some: checked when the connection is kept, so that no typing error
decides in silence.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec

from governance.plugin.errors import ConnectionInvalid
from governance.plugin.provider import ConnectionSettings

ANY_TEXT: tuple[str, ...] = ()
"""For an option whose values the plugin checks by itself."""


def check_options(connection: ConnectionSettings, *, known: Mapping[str, tuple[str, ...]]) -> None:
    """Refuse options that are not `known`, and values that are not among theirs. Raises ConnectionInvalid."""
    for option, value in connection.options.items():
        if option not in known:
            names = f"use {', '.join(known)}" if known else "this provider has none"
            raise ConnectionInvalid(f"Connection {connection.name!r} has the unknown option {option!r}: {names}.")
        if known[option] and value not in known[option]:
            values = " or ".join(known[option])
            raise ConnectionInvalid(f"Option {option!r} of connection {connection.name!r} must be {values}.")


def in_region(connection: ConnectionSettings, *, base_urls: Mapping[str, str], home: str) -> ConnectionSettings:
    """Return the connection with the base URL of its option `region`, which is checked already.

    `base_urls` are the vendor's own by region, `home` the region without the option. Raises ConnectionInvalid when
    the connection names another host itself: its key works at one of them only.
    """
    region = connection.options.get("region")
    if region is None or region == home:
        return connection
    if connection.base_url.rstrip("/") not in {base_urls[home], base_urls[region]}:
        host = urlsplit(connection.base_url).hostname
        raise ConnectionInvalid(
            f"Connection {connection.name!r} has the option 'region' and the host {host!r} as well: leave one out."
        )
    return msgspec.structs.replace(connection, base_url=base_urls[region])
