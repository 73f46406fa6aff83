"""The upstream's base address and its path prefixes, used in turn (setting `upstream.api_prefixes`).

A route that failed cools down and is skipped meanwhile. Afterwards it is on trial:
one request at a time tries it, until one of them is answered. With one route, or
when all are cooling, it is tried anyway. What other processes find out arrives by
`learn` and `unlearn` (`cooling.py`).
"""

import time
from collections.abc import Callable, Collection, Sequence

from msgspec import Struct

from service.ports import RouteState

COOL_SECONDS = 30.0  # long enough to skip a broken prefix, short enough to notice its return
TRIAL_SECONDS = 10.0  # until the next request tries a route of whose trial nothing was heard


class Route(Struct, frozen=True):
    """One way to the upstream: everything of a URL before the path."""

    index: int
    root: str

    def url(self, path: str) -> str:
        """Return the address of a path such as `backend-api/models`."""
        return f"{self.root}/{path.lstrip('/')}"


Watcher = Callable[[Route, bool], None]
"""Is told of each failure (True), and when a route that had failed works again (False)."""


class _Health:
    """How one route does."""

    def __init__(self) -> None:
        self.is_failing = False
        self.is_hearsay = False  # learned from another process
        self.is_on_trial = False
        self.cool_until = 0.0  # on the clock of the routes; means nothing while it works


class Routes:
    """All routes of the upstream; picks the next one to try.

    Args:
        base_url: of the upstream, without a prefix.
        prefixes: path prefixes; none means the base itself.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        base_url: str,
        prefixes: Sequence[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        base = base_url.rstrip("/")
        roots = [f"{base}/{name}" for prefix in prefixes if (name := prefix.strip().strip("/"))]
        self.base_url = base
        self._routes = tuple(Route(index, root) for index, root in enumerate(roots or [base]))
        self._clock = clock
        self._health = [_Health() for _ in self._routes]
        self._watchers: list[Watcher] = []
        self._next = 0

    def __len__(self) -> int:
        return len(self._routes)

    @property
    def all(self) -> Sequence[Route]:
        """All routes, by index."""
        return self._routes

    def watch(self, watcher: Watcher) -> None:
        """Tell this one of what is found out here, not of what is learned."""
        self._watchers.append(watcher)

    def pick(self, tried: Collection[Route] = ()) -> Route:
        """Return the next route: not cooling if there is one, and then not tried if there is one."""
        count = len(self._routes)
        in_turn = [self._routes[(self._next + step) % count] for step in range(count)]
        choice = [route for route in in_turn if not self._is_cooling(route)] or in_turn
        route = next((route for route in choice if route not in tried), choice[0])
        self._next = (route.index + 1) % count
        health = self._health[route.index]
        if health.is_failing and not self._is_cooling(route):
            health.is_on_trial = True
            health.cool_until = self._clock() + TRIAL_SECONDS
        return route

    def has_other(self, tried: Collection[Route]) -> bool:
        """Return whether there is a route that works, as far as known, and was not tried."""
        return any(r not in tried and not self._is_cooling(r) for r in self._routes)

    def cool(self, route: Route) -> None:
        """Skip this route for a while: it failed."""
        self._fail(route, COOL_SECONDS, is_hearsay=False)
        for watcher in self._watchers:
            watcher(route, True)

    def recover(self, route: Route) -> None:
        """Use this route again: it answered."""
        if not self._health[route.index].is_failing:
            return
        self._health[route.index].is_failing = False
        for watcher in self._watchers:
            watcher(route, False)

    def learn(self, route: Route, seconds: float) -> None:
        """Skip this route for that long: it failed elsewhere. What is known here stands."""
        if not self._health[route.index].is_failing:
            self._fail(route, seconds, is_hearsay=True)

    def unlearn(self, route: Route) -> None:
        """Use this route again if it was not here that it failed."""
        health = self._health[route.index]
        if health.is_hearsay:
            health.is_failing = False

    def states(self) -> list[RouteState]:
        """Return how each route does."""
        now = self._clock()
        return [
            _state(route, health, max(0.0, health.cool_until - now))
            for route, health in zip(self._routes, self._health, strict=True)
        ]

    def _fail(self, route: Route, seconds: float, *, is_hearsay: bool) -> None:
        health = self._health[route.index]
        health.is_failing, health.is_hearsay, health.is_on_trial = True, is_hearsay, False
        health.cool_until = self._clock() + seconds

    def _is_cooling(self, route: Route) -> bool:
        health = self._health[route.index]
        return health.is_failing and health.cool_until > self._clock()


def _state(route: Route, health: _Health, seconds: float) -> RouteState:
    if not health.is_failing:
        return RouteState(route.index, "working", 0.0)
    if health.is_on_trial or not seconds:
        return RouteState(route.index, "on trial", 0.0)
    return RouteState(route.index, "cooling", seconds)
