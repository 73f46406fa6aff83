"""Cool-downs of routes that processes tell each other through the state store.

Without it each process would find a broken route by itself, at the price of one
failed attempt, which may last `upstream.connect_seconds`. So it is enough to hear
of it within seconds: nothing is read for a request, each process looks every few
seconds in the background, and says at once what it has found out itself. One route
alone is used whatever its state, and then nobody is asked.
"""

import asyncio
import time
from contextlib import suppress

import msgspec

from service.ports import StateStore
from service.vocabulary.credentials import fingerprint
from upstream.http.routing import COOL_SECONDS, Route, Routes

LOOK_SECONDS = 3.0
CLOCK_SECONDS = 30.0  # by which clocks of machines may differ


class SharedCooling:
    """Keeps the routes of this process and the state store of one mind; `run` does it."""

    def __init__(
        self, routes: Routes, state: StateStore, look_seconds: float = LOOK_SECONDS
    ) -> None:
        self._routes = routes
        self._state = state
        self._look_seconds = look_seconds
        self._news: dict[Route, bool] = {}
        self._has_news = asyncio.Event()
        routes.watch(self._take)

    async def run(self) -> None:
        """Tell and learn, until cancelled."""
        if len(self._routes) == 1:
            return
        loop = asyncio.get_running_loop()
        look_at = loop.time()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(look_at):
                    await self._has_news.wait()
            await self._tell()
            if loop.time() >= look_at:
                await self._learn()
                look_at = loop.time() + self._look_seconds

    def _take(self, route: Route, is_failing: bool) -> None:
        self._news[route] = is_failing
        self._has_news.set()

    async def _tell(self) -> None:
        self._has_news.clear()
        news, self._news = self._news, {}
        for route, is_failing in news.items():
            if is_failing:
                until = msgspec.json.encode(time.time() + COOL_SECONDS)
                await self._state.set(state_key(route), until, COOL_SECONDS)
            else:
                await self._state.delete(state_key(route))

    async def _learn(self) -> None:
        for route in self._routes.all:
            value = await self._state.get(state_key(route))
            try:
                until = 0.0 if value is None else msgspec.json.decode(value, type=float)
            except msgspec.DecodeError:
                until = 0.0
            seconds = until - time.time()
            # Longer than any cool-down: a clock was set back since.
            if 0 < seconds <= COOL_SECONDS + CLOCK_SECONDS:
                self._routes.learn(route, min(seconds, COOL_SECONDS))
            else:
                self._routes.unlearn(route)


def state_key(route: Route) -> str:
    """Return under what the end of a route's cool-down is stored; it does not tell the prefix."""
    return f"route:{fingerprint(route.root)}"
