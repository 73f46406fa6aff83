"""The addresses of the upstream and of whatever the operator names: the last good ones are kept.

The system's resolver is asked, so that all it knows counts: `/etc/hosts`, a container's own names.
Where it is slow, or does not answer, the addresses of the last look-up stand in at once: a dead name
server then stops no turn.
"""

import asyncio
import socket
from collections.abc import Sequence

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from typing_extensions import override

PATIENCE_SECONDS = 1.0  # for newer addresses, where there are old ones
MAX_HOSTS = 256

_Key = tuple[str, int, socket.AddressFamily]


class KeptAddresses(AbstractResolver):
    """Looks names up, each once at a time.

    Args:
        seconds: the limit for a name that has no kept addresses.
        inner: what looks up; None: the system's resolver.
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
            OSError: there are none, or there was no answer in time and none was there before.
        """
        key = (host, port, family)
        kept = self._kept.get(key)
        asking = self._asked.get(key)
        if asking is None:
            asking = asyncio.get_running_loop().create_task(self._ask(key))
            asking.add_done_callback(_take_error)
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
        """End what is being looked up."""
        for asking in tuple(self._asked.values()):
            asking.cancel()
        await self._inner.close()


def _take_error(asking: asyncio.Task[Sequence[ResolveResult]]) -> None:
    """Let nobody report an error whose look-up is not waited for any more."""
    if not asking.cancelled():
        asking.exception()
