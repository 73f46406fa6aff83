"""Cool-downs of routes, shared between processes through the state store.

Without this each process would find a broken route by itself, at the price of one failed attempt,
which may last `upstream.connect_seconds`. It is enough to know within seconds, so no request reads
the store: each process reads it every few seconds in the background, and writes at once what it has
found out itself. With a single route nothing is shared, since that route is used in any state.
"""

import asyncio
import time
from contextlib import suppress

import msgspec

from service.ports import StateStore
from service.vocabulary.credentials import fingerprint
from upstream.http.routing import COOL_SECONDS, Route, Routes

LOOK_SECONDS = 3.0
CLOCK_SECONDS = 30.0  # by which the clocks of two machines may differ


class SharedCooling:
    """Shares the cool-downs of this process with the others; `run` is its background work."""

    def __init__(
        self, routes: Routes, state: StateStore, look_seconds: float = LOOK_SECONDS
    ) -> None:
        self._routes = routes
        self._state = state
        self._look_seconds = look_seconds
        self._changes: dict[Route, bool] = {}
        self._has_changes = asyncio.Event()
        routes.watch(self._note)

    async def run(self) -> None:
        """Write and read cool-downs until cancelled."""
        if len(self._routes) == 1:
            return
        loop = asyncio.get_running_loop()
        look_at = loop.time()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(look_at):
                    await self._has_changes.wait()
            await self._publish()
            if loop.time() >= look_at:
                await self._read_others()
                look_at = loop.time() + self._look_seconds

    def _note(self, route: Route, is_failing: bool) -> None:
        self._changes[route] = is_failing
        self._has_changes.set()

    async def _publish(self) -> None:
        self._has_changes.clear()
        changes, self._changes = self._changes, {}
        for route, is_failing in changes.items():
            if is_failing:
                until = msgspec.json.encode(time.time() + COOL_SECONDS)
                await self._state.set(state_key(route), until, COOL_SECONDS)
            else:
                await self._state.delete(state_key(route))

    async def _read_others(self) -> None:
        for route in self._routes.all:
            value = await self._state.get(state_key(route))
            try:
                until = 0.0 if value is None else msgspec.json.decode(value, type=float)
            except msgspec.DecodeError:
                until = 0.0
            seconds = until - time.time()
            # A longer cool-down than any means that a clock was set back since.
            if 0 < seconds <= COOL_SECONDS + CLOCK_SECONDS:
                self._routes.learn(route, min(seconds, COOL_SECONDS))
            else:
                self._routes.unlearn(route)


def state_key(route: Route) -> str:
    """Return the key of a route's cool-down in the store; the prefix in it is hashed."""
    return f"route:{fingerprint(route.root)}"
