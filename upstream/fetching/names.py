"""Host names that callers give, looked up apart from all other names (spec 8).

The system's resolver blocks a thread for each name, ten seconds or more where no name server
answers, so a few such names keep everybody's waiting. Here a look-up is a datagram and a timer, of
c-ares: a name that never answers delays its own request only, and for no longer than the limit.
"""

import asyncio
import socket
from ipaddress import ip_address
from types import TracebackType
from typing import Any, Self

import aiodns

from upstream.http.addresses import Address

MAX_AT_ONCE = 1000  # a thousand look-ups that nobody answers hold about two megabytes
TRIES = 2  # within the limit


class UnresolvedError(Exception):
    """The name has no address."""


class UnansweredError(UnresolvedError):
    """No name server has answered in time."""


class Names:
    """The look-ups of one process; a context that ends them with itself.

    Args:
        seconds: the limit of one look-up, the wait for its turn included.
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

        The odd spellings of a number are read as the system reads them (`0x7f.1`, `2130706433`).

        Raises:
            UnansweredError: no name server answers.
            UnresolvedError: there are none.
        """
        if number := _number(host, port):
            return number
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
    """Return the address that a host is written as; asks nobody."""
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    except (OSError, UnicodeError, ValueError):
        return []
    return list(dict.fromkeys(ip_address(str(entry[4][0])) for entry in found))
