"""Which addresses a caller's URL may lead to: public ones, in whatever notation (spec 8)."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address

_NAT64 = IPv6Network("64:ff9b::/96")
_V4_COMPATIBLE = IPv6Network("::/96")
_IPV4_MASK = 0xFFFFFFFF
# The anycast range of 6to4 relays leads to any network that announces it.
_RELAYS = (int(IPv4Address("192.88.99.0")), int(IPv4Address("192.88.99.255")))


def is_public(address: Address) -> bool:
    """Tell whether an address is public; an embedded IPv4 address is judged in its place."""
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
    """Return the IPv4 address in an IPv6 one (`::ffff:10.0.0.1` has 10.0.0.1), or None."""
    if inner := address.ipv4_mapped or address.sixtofour:
        return inner
    if address in _NAT64 or address in _V4_COMPATIBLE:
        return IPv4Address(int(address) & _IPV4_MASK)
    return address.teredo[1] if address.teredo else None
