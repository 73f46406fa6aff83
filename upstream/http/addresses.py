"""Which addresses a caller's URL may lead to: public ones only, however they are written (spec 8)."""

import asyncio
import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address

_NAT64 = IPv6Network("64:ff9b::/96")
_V4_COMPATIBLE = IPv6Network("::/96")
_IPV4_MASK = 0xFFFFFFFF
# The anycast range of 6to4 relays leads to whoever announces it.
_RELAYS = (int(IPv4Address("192.88.99.0")), int(IPv4Address("192.88.99.255")))


class UnresolvedError(Exception):
    """The name has no address."""


def is_public(address: Address) -> bool:
    """Tell whether an address is one of the open internet; embedded addresses count themselves."""
    if isinstance(address, IPv4Address):
        is_relay = _RELAYS[0] <= int(address) <= _RELAYS[1]
        return address.is_global and not address.is_multicast and not is_relay
    if address.scope_id is not None:
        return False
    if (inner := _embedded(address)) is not None:
        return is_public(inner)
    is_special = address.is_multicast or address.is_reserved or address.is_site_local
    return address.is_global and not is_special


def _embedded(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that an IPv6 address stands for."""
    if inner := address.ipv4_mapped or address.sixtofour:
        return inner
    if address in _NAT64 or address in _V4_COMPATIBLE:
        return IPv4Address(int(address) & _IPV4_MASK)
    return address.teredo[1] if address.teredo else None


async def resolved(host: str, port: int) -> list[Address]:
    """Return all addresses of a host, each once.

    The resolver reads the odd spellings too (`0x7f.1`, `2130706433`), so that
    what is judged is what would be connected to.

    Raises:
        UnresolvedError: there are none.
    """
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, ValueError) as error:
        raise UnresolvedError from error
    addresses = [ip_address(str(entry[4][0])) for entry in found]
    if not addresses:
        raise UnresolvedError
    return list(dict.fromkeys(addresses))
