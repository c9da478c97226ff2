"""The guard against requests into the operator's own network: which addresses may be called at all."""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from governance.plugin import NotDelivered, SettingInvalid

IPAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]

# Public by their numbers, and yet answered from inside: Azure's host service; protocol assignments, which older Pythons
# take for public; addresses that stand for IPv4 ones.
_NEVER = tuple(
    map(
        ipaddress.ip_network,
        ("168.63.129.16/32", "192.0.0.0/24", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32"),
    )
)


def parse_networks(texts: Sequence[str], *, setting: str) -> tuple[IPNetwork, ...]:
    """Read networks that are allowed though they are not public. Raises SettingInvalid."""
    try:
        return tuple(map(ipaddress.ip_network, texts))
    except ValueError as error:
        raise SettingInvalid(f"{setting} must name networks such as 10.1.2.0/24, by commas: {error}.") from error


def is_allowed(address: IPAddress, networks: Sequence[IPNetwork]) -> bool:
    """Return whether the operator allows this address explicitly."""
    return any(address in network for network in networks)


def is_callable(address: IPAddress, networks: Sequence[IPNetwork]) -> bool:
    """Return whether this address may be called: a public one, or one that is allowed explicitly."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    if mapped is not None:
        return is_callable(mapped, networks)
    if is_allowed(address, networks):
        return True
    is_public = address.is_global and not address.is_multicast and not address.is_reserved
    return is_public and not is_allowed(address, _NEVER)


async def find(host: str, port: int, *, networks: Sequence[IPNetwork], resolve: Resolve) -> IPAddress:
    """Resolve a host once and return the address to call. Raises NotDelivered if any of its addresses is forbidden."""
    addresses = [ipaddress.ip_address(text) for text in await resolve(host, port)]
    for address in addresses:
        if not is_callable(address, networks):
            raise NotDelivered(
                f"{host} has the address {address}, which is not a public one: choose another address, or let the "
                "operator allow its network with BURSAR_WEBHOOK_ALLOWED_NETWORKS."
            )
    if not addresses:
        raise NotDelivered(f"{host} has no address.")
    return addresses[0]


async def resolve_by_system(host: str, port: int) -> Sequence[str]:
    """Ask the system's resolver. Raises NotDelivered."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NotDelivered(f"{host} cannot be resolved: {error}.") from error
    # A zone ("fe80::1%eth0") is never public, with or without its name.
    return [str(place[0]).partition("%")[0] for *_, place in found]
