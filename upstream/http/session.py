"""The client session that all calls to the outside share, with the operator's proxy."""

import asyncio
import ssl
from typing import Any

import aiohttp
from aiohttp_socks import ProxyConnector
from typing_extensions import override

from service.settings.config import UpstreamConfig
from upstream.http.kept_addresses import KeptAddresses

_SOCKS_SCHEME = "socks5://"


def make_session(config: UpstreamConfig) -> aiohttp.ClientSession:
    """Return a client session; close it with the process.

    It limits no connections: turns are limited by account before they get here. It keeps no
    cookies, since all accounts share it.
    """
    connector: aiohttp.TCPConnector = (
        ProxyConnector.from_url(config.proxy, limit=0)
        if _is_socks(config)
        else aiohttp.TCPConnector(limit=0, resolver=KeptAddresses(config.connect_seconds))
    )
    return aiohttp.ClientSession(
        connector=connector,
        proxy=proxy_of(config),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=config.connect_seconds),
        cookie_jar=aiohttp.DummyCookieJar(),
    )


def proxy_of(config: UpstreamConfig) -> str | None:
    """Return the proxy that sessions are told; one of SOCKS is the connector's."""
    return config.proxy if config.proxy and not _is_socks(config) else None


async def tls_context(config: UpstreamConfig, host: str) -> ssl.SSLContext | bool:
    """Return the `ssl` argument with which a connection to an address verifies `host`.

    aiohttp takes the name beside the address, so True is enough. aiohttp-socks ignores that name
    and needs a context of its own.
    """
    return await asyncio.to_thread(_named_context, host) if _is_socks(config) else True


def _is_socks(config: UpstreamConfig) -> bool:
    return config.proxy.startswith(_SOCKS_SCHEME)


def _named_context(host: str) -> ssl.SSLContext:
    context = _NamedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_default_certs()
    context.host = host
    return context


class _NamedContext(ssl.SSLContext):
    """A TLS context that asks for and verifies one name, whatever address is connected to."""

    host: str

    @override
    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        return super().wrap_bio(*args, **{**kwargs, "server_hostname": self.host})
