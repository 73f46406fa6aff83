"""The gateway's own addresses: its API, the operator's routes, and links to files (spec 3)."""

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from aiohttp import web

from service.keys import CONFIG
from service.settings.config import ServerConfig

_HOST = re.compile(r"[A-Za-z0-9._-]{1,255}(:\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:\d{1,5})?")
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)+/?")
_PAIR = re.compile(r'(?i)(?:^|;)\s*(proto|host)\s*=\s*(?:"([^"]*)"|([^;,"\s]+))')
_FOR = re.compile(r'(?i)(?:^|[;,])\s*for\s*=\s*(?:"([^"]*)"|([^;,"\s]+))')
_FORWARDED = {
    "proto": "X-Forwarded-Proto",
    "host": "X-Forwarded-Host",
    "prefix": "X-Forwarded-Prefix",
}
_MAX_PROXIES = 16
_BELOW_ADMIN = "/admin/"
_IPV6_BITS = 64  # the network of one customer
_FIRST = re.compile(r'(?:[^",]|"[^"]*")*')


def api_base(server: ServerConfig) -> str:
    """Return the part before `/v1` in the API's paths: empty, or a slash and the prefix."""
    return _base(server.api_prefix)


@cache
def _base(prefix: str) -> str:
    bare = prefix.strip("/")
    return f"/{bare}" if bare else ""


def is_admin_request(request: web.Request) -> bool:
    """Tell whether a request is for the operator's routes; without an admin key none is."""
    if not request.path.startswith(_BELOW_ADMIN):
        return False
    return bool(request.app[CONFIG].server.admin_key.get_secret_value())


def public_url(request: web.Request, server: ServerConfig) -> str:
    """Return the base of links, without a trailing slash.

    The setting comes first, then the address that a trusted proxy says the caller used, then the
    request's own host. Of several proxies' values the first counts: it is the address that the
    caller used.
    """
    if server.public_url:
        return server.public_url.rstrip("/")
    told = _forwarded(request.headers) if _is_trusted(request.remote, server) else {}
    scheme = told.get("proto", "").lower()
    if scheme not in ("http", "https"):
        scheme = request.scheme
    host = told.get("host", "")
    if not host or not _HOST.fullmatch(host):
        host = request.host
        if not _HOST.fullmatch(host):
            host = f"localhost:{server.port}"
    prefix = told.get("prefix", "")
    below = prefix.rstrip("/") if prefix and _PREFIX.fullmatch(prefix) else ""
    return f"{scheme}://{host}{below}"


def caller_address(request: web.Request, server: ServerConfig) -> str:
    """Return the address by which a caller's share of limits is counted; for IPv6, its network.

    Each trusted proxy appends the address that called it, so the last address that is not a trusted
    proxy's own counts. Those before it may be forged.
    """
    told = [*_forwarded_for(request.headers), request.remote or ""]
    while len(told) > 1 and _is_trusted(told[-1], server):
        told.pop()
    try:
        address = ip_address(told[-1])
    except ValueError:
        return told[-1]
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or ip_network((address.packed, _IPV6_BITS), strict=False))
    return str(address)


def _forwarded_for(headers: Mapping[str, str]) -> list[str]:
    """Return the addresses that a request passed through, from either header, without ports."""
    if plain := headers.get("X-Forwarded-For", ""):
        found = plain.split(",")
    else:
        pairs = _FOR.findall(headers.get("Forwarded", ""))
        found = [quoted or token for quoted, token in pairs]
    return [_without_port(one.strip()) for one in found[-_MAX_PROXIES:]]


def _without_port(text: str) -> str:
    if text.startswith("["):
        return text[1:].partition("]")[0]
    host, colon, port = text.rpartition(":")
    return host if colon and ":" not in host and port.isdecimal() else text


def _forwarded(headers: Mapping[str, str]) -> dict[str, str]:
    """Return proto, host and prefix from the header of RFC 7239 or its predecessors."""
    told = {}
    for name, header in _FORWARDED.items():
        if (sent := headers.get(header)) and (value := sent.partition(",")[0].strip()):
            told[name] = value
    if standard := headers.get("Forwarded", ""):
        first = _FIRST.match(standard)
        for name, quoted, plain in _PAIR.findall(first[0] if first else ""):
            told[name.lower()] = quoted or plain
    return told


def _is_trusted(remote: str | None, server: ServerConfig) -> bool:
    if not remote:
        return True  # a Unix socket, which only the operator's programs can open
    return _is_within(remote, server.trusted_proxies)


@lru_cache(maxsize=4096)
def _is_within(remote: str, trusted: tuple[str, ...]) -> bool:
    """Tell whether an address is of these networks; cached, as a caller asks more than once."""
    try:
        address = ip_address(remote)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return any(address in network for network in _networks(trusted))


@cache
def _networks(names: tuple[str, ...]) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(name) for name in names)
