"""The upstream's base address and path prefixes, used in turn (setting `upstream.api_prefixes`).

How routes fail and recover
---------------------------

A route is one base address with one prefix. Requests use the routes in turn. Each route is in one
of three states:

    working  ──fails──▶  cooling  ──COOL_SECONDS──▶  on trial  ──is answered──▶  working
                            ▲                            │
                            └───────────fails────────────┘

*Cooling*: the route failed less than `COOL_SECONDS` ago and is skipped. *On trial*: its time is
over. The next request tries it, and for `TRIAL_SECONDS` no other does, so a route that is still
broken costs one request and not all of them. A trial without a result, since its caller left, ends
after that time too, and the next request tries again.

A failure means the route's fault: no connection, a broken one, or an error page of a CDN. A refusal
by the upstream itself shows that the route works. When all routes are cooling, or there is only
one, they are used anyway: skipping every route would turn a doubt into a certain error.

What other processes find out comes in by `learn` and `unlearn` (`cooling.py`) and never overrides
this process's own failures: a route that failed here stays cooling here until it is answered here.
All times are monotonic.
"""

import time
from collections.abc import Callable, Collection, Sequence

from msgspec import Struct

from service.ports import RouteState

COOL_SECONDS = 30.0  # long enough to skip a broken prefix, short enough to notice its return
TRIAL_SECONDS = 10.0  # then another request may try a route whose trial was not reported


class Route(Struct, frozen=True):
    """One way to the upstream: the part of a URL before the path."""

    index: int
    root: str

    def url(self, path: str) -> str:
        """Return the URL of a path such as `backend-api/models`."""
        return f"{self.root}/{path.lstrip('/')}"


Watcher = Callable[[Route, bool], None]
"""Called with True for each failure, and with False when a failed route works again."""


class _Health:
    """The state of one route."""

    def __init__(self) -> None:
        self.is_failing = False
        self.is_learned = False  # the failure was reported by another process
        self.is_on_trial = False
        self.cool_until = 0.0  # on the clock of the routes; unused while the route works


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
        """Register a callback for what this process finds out itself."""
        self._watchers.append(watcher)

    def pick(self, tried: Collection[Route] = ()) -> Route:
        """Return the next route, preferably one that is not cooling and was not tried."""
        route = self._routes[self._next]
        if self._health[route.index].is_failing or route in tried:
            route = self._other(tried)
        self._next = (route.index + 1) % len(self._routes)
        health = self._health[route.index]
        if health.is_failing and not self._is_cooling(route):
            health.is_on_trial = True
            health.cool_until = self._clock() + TRIAL_SECONDS
        return route

    def has_other(self, tried: Collection[Route]) -> bool:
        """Tell whether there is a route that is neither cooling nor tried."""
        return any(r not in tried and not self._is_cooling(r) for r in self._routes)

    def cool(self, route: Route) -> None:
        """Skip this route for a while: it failed here."""
        self._fail(route, COOL_SECONDS, is_learned=False)
        for watcher in self._watchers:
            watcher(route, True)

    def recover(self, route: Route) -> None:
        """Use this route again: it was answered here."""
        if not self._health[route.index].is_failing:
            return
        self._health[route.index].is_failing = False
        for watcher in self._watchers:
            watcher(route, False)

    def learn(self, route: Route, seconds: float) -> None:
        """Skip a route that failed in another process, unless it is failing here already."""
        if not self._health[route.index].is_failing:
            self._fail(route, seconds, is_learned=True)

    def unlearn(self, route: Route) -> None:
        """Use this route again if it had failed only elsewhere."""
        health = self._health[route.index]
        if health.is_learned:
            health.is_failing = False

    def states(self) -> list[RouteState]:
        """Return the state of each route, for the metrics."""
        now = self._clock()
        return [
            _state(route, health, max(0.0, health.cool_until - now))
            for route, health in zip(self._routes, self._health, strict=True)
        ]

    def _fail(self, route: Route, seconds: float, *, is_learned: bool) -> None:
        health = self._health[route.index]
        health.is_failing, health.is_learned, health.is_on_trial = True, is_learned, False
        health.cool_until = self._clock() + seconds

    def _other(self, tried: Collection[Route]) -> Route:
        """Return the next route, when the one whose turn it is failed or was tried."""
        in_turn = (*self._routes[self._next :], *self._routes[: self._next])
        choice = [route for route in in_turn if not self._is_cooling(route)] or in_turn
        return next((route for route in choice if route not in tried), choice[0])

    def _is_cooling(self, route: Route) -> bool:
        health = self._health[route.index]
        return health.is_failing and health.cool_until > self._clock()


def _state(route: Route, health: _Health, seconds: float) -> RouteState:
    if not health.is_failing:
        return RouteState(route.index, "working", 0.0)
    if health.is_on_trial or not seconds:
        return RouteState(route.index, "on trial", 0.0)
    return RouteState(route.index, "cooling", seconds)
