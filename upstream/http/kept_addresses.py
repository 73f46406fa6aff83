"""Addresses of the upstream and of other hosts that the operator names, kept from the last look-up.

The system's resolver is asked, so `/etc/hosts` and a container's own names count. When it is slow
or does not answer, the addresses of the last look-up are used at once, so a dead name server stops
no turn.
"""

import asyncio
import socket
from collections.abc import Sequence

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from typing_extensions import override

PATIENCE_SECONDS = 1.0  # wait for new addresses while old ones are known
MAX_HOSTS = 256

_Key = tuple[str, int, socket.AddressFamily]


class KeptAddresses(AbstractResolver):
    """Resolves names; concurrent requests for one name share a look-up.

    Args:
        seconds: the limit for a name without kept addresses.
        inner: the resolver; None for the system's.
    """

    def __init__(self, seconds: float, inner: AbstractResolver | None = None) -> None:
        self._seconds = seconds
        self._inner = inner or ThreadedResolver()
        self._kept: dict[_Key, Sequence[ResolveResult]] = {}
        self._asked: dict[_Key, asyncio.Task[Sequence[ResolveResult]]] = {}

    @override
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a host.

        Raises:
            OSError: there are none, or no answer came in time and none are kept.
        """
        key = (host, port, family)
        kept = self._kept.get(key)
        asking = self._asked.get(key)
        if asking is None:
            asking = asyncio.get_running_loop().create_task(self._ask(key))
            asking.add_done_callback(_retrieve_error)
            self._asked[key] = asking
        await asyncio.wait({asking}, timeout=PATIENCE_SECONDS if kept else self._seconds)
        if asking.done() and not asking.cancelled() and asking.exception() is None:
            return list(asking.result())
        if kept:
            return list(kept)
        if asking.done():
            return list(await asking)  # which raises
        raise OSError("No name server answered in time.")

    async def _ask(self, key: _Key) -> Sequence[ResolveResult]:
        try:
            found = await self._inner.resolve(*key)
        finally:
            del self._asked[key]
        self._kept.pop(key, None)
        if len(self._kept) >= MAX_HOSTS:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = found
        return found

    @override
    async def close(self) -> None:
        """Cancel the look-ups under way."""
        for asking in tuple(self._asked.values()):
            asking.cancel()
        await self._inner.close()


def _retrieve_error(asking: asyncio.Task[Sequence[ResolveResult]]) -> None:
    """Retrieve the error of an abandoned look-up, so that asyncio does not log it."""
    if not asking.cancelled():
        asking.exception()
