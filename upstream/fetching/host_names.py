"""Host names in callers' URLs, looked up apart from all other names (spec 8).

The system's resolver blocks a thread for each name, for ten seconds or more if no name server
answers, so a few such names would block the look-ups of all requests. Here a look-up is a datagram
and a timer of c-ares: a name that is never answered delays its own request only, up to the limit.
"""

import asyncio
import re
import socket
from ipaddress import ip_address
from types import TracebackType
from typing import Any, Self

import aiodns

from upstream.http.addresses import Address

_NAME = re.compile(r"[^\x00-\x20\x7f]{1,254}")
MAX_AT_ONCE = 1000  # a thousand unanswered look-ups take about two megabytes
TRIES = 2  # within the limit


class UnresolvedError(Exception):
    """The host has no address."""


class UnansweredError(UnresolvedError):
    """No name server answered in time."""


class HostNames:
    """The look-ups of one process, as a context that cancels them at its end.

    Args:
        seconds: the limit of one look-up, its wait for a free place included.
        resolver: settings of c-ares in place of the system's, such as `servers`.
    """

    def __init__(self, seconds: float, **resolver: Any) -> None:
        self._seconds = seconds
        self._settings = {"timeout": seconds / TRIES, "tries": TRIES, **resolver}
        self._resolver: aiodns.DNSResolver | None = None
        self._gate = asyncio.Semaphore(MAX_AT_ONCE)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._resolver is not None:
            await self._resolver.close()

    async def addresses(self, host: str, port: int) -> list[Address]:
        """Return all addresses of a host, each once.

        Unusual notations of a number (`0x7f.1`, `2130706433`) are read as the system reads them.

        Raises:
            UnansweredError: no name server answered.
            UnresolvedError: there are no addresses.
        """
        if number := _number(host, port):
            return number
        if not _NAME.fullmatch(host):
            raise UnresolvedError
        if self._resolver is None:  # it belongs to a running loop
            self._resolver = aiodns.DNSResolver(**self._settings)
        try:
            async with asyncio.timeout(self._seconds), self._gate:
                found = await self._resolver.getaddrinfo(host, port=port, type=socket.SOCK_STREAM)
        except TimeoutError as error:
            raise UnansweredError from error
        except aiodns.error.DNSError as error:
            is_silence = error.args[0] == aiodns.error.ARES_ETIMEOUT
            raise (UnansweredError if is_silence else UnresolvedError) from error
        except (OSError, UnicodeError, ValueError) as error:
            raise UnresolvedError from error
        addresses = [ip_address(node.addr[0].decode()) for node in found.nodes]
        if not addresses:
            raise UnresolvedError
        return list(dict.fromkeys(addresses))


def _number(host: str, port: int) -> list[Address]:
    """Return the address that the host itself is (`127.0.0.1`, `0x7f.1`), without a look-up."""
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    except (OSError, UnicodeError, ValueError):
        return []
    return list(dict.fromkeys(ip_address(str(entry[4][0])) for entry in found))
