"""Where callers reach this gateway: its API, and links to pictures and files (spec 3)."""

import re
from collections.abc import Mapping
from functools import cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from aiohttp import web

from service.settings.config import ServerConfig

_HOST = re.compile(r"[A-Za-z0-9._-]{1,255}(:\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:\d{1,5})?")
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)+/?")
_PAIR = re.compile(r'(?i)(?:^|;)\s*(proto|host)\s*=\s*(?:"([^"]*)"|([^;,"\s]+))')
_FIRST = re.compile(r'(?:[^",]|"[^"]*")*')


def api_base(server: ServerConfig) -> str:
    """Return what comes before `/v1` in the paths of the API: nothing, or a slash and the prefix."""
    prefix = server.api_prefix.strip("/")
    return f"/{prefix}" if prefix else ""


def public_url(request: web.Request, server: ServerConfig) -> str:
    """Return the base of links, without a trailing slash.

    The setting goes first, then what a trusted proxy says of the caller's
    address, then the request's own host. A proxy's first value counts: it is
    what the caller used, whatever proxies stood between.
    """
    if server.public_url:
        return server.public_url.rstrip("/")
    told = _forwarded(request.headers) if _is_trusted(request.remote, server) else {}
    scheme = told.get("proto", "").lower()
    if scheme not in ("http", "https"):
        scheme = request.scheme
    hosts = (told.get("host", ""), request.host, f"localhost:{server.port}")
    host = next(host for host in hosts if _HOST.fullmatch(host))
    prefix = told.get("prefix", "")
    return f"{scheme}://{host}{prefix.rstrip('/') if _PREFIX.fullmatch(prefix) else ''}"


def _forwarded(headers: Mapping[str, str]) -> dict[str, str]:
    """Return proto, host and prefix as the headers of RFC 7239 and its forerunners give them."""
    told = {}
    for name in ("proto", "host", "prefix"):
        if value := headers.get(f"X-Forwarded-{name}", "").partition(",")[0].strip():
            told[name] = value
    first = _FIRST.match(headers.get("Forwarded", ""))
    for name, quoted, plain in _PAIR.findall(first[0] if first else ""):
        told[name.lower()] = quoted or plain
    return told


def _is_trusted(remote: str | None, server: ServerConfig) -> bool:
    if not remote:
        return True  # a Unix socket: who can open it is the operator's
    try:
        address = ip_address(remote)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return any(address in network for network in _networks(server.trusted_proxies))


@cache
def _networks(names: tuple[str, ...]) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(name) for name in names)
