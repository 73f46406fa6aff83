"""The client session that all calls to the outside share, with the operator's proxy."""

import aiohttp
from aiohttp_socks import ProxyConnector

from service.config import UpstreamConfig

SOCKS_SCHEME = "socks5"


def make_session(config: UpstreamConfig) -> aiohttp.ClientSession:
    """Return a session; close it with the process.

    Connections are not counted here: an account's turns are limited before they
    get this far. Cookies are not kept, since all accounts share the session.
    """
    is_socks = config.proxy.startswith(SOCKS_SCHEME)
    connector: aiohttp.TCPConnector = (
        ProxyConnector.from_url(config.proxy, limit=0)
        if is_socks
        else aiohttp.TCPConnector(limit=0)
    )
    return aiohttp.ClientSession(
        connector=connector,
        proxy=config.proxy if config.proxy and not is_socks else None,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=config.connect_seconds),
        cookie_jar=aiohttp.DummyCookieJar(),
    )
