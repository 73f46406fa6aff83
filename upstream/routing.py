"""The upstream's base address and its path prefixes, used in turn (setting `upstream.api_prefixes`).

A route that failed cools down and is skipped meanwhile; with one route, or when
all are cooling, it is tried anyway. The state is this process's own: each worker
learns of a broken route by itself within one request.
"""

import time
from collections.abc import Callable, Collection, Sequence

from msgspec import Struct

COOL_SECONDS = 30.0  # long enough to skip a broken prefix, short enough to notice its return


class Route(Struct, frozen=True):
    """One way to the upstream: everything of a URL before the path."""

    index: int
    root: str

    def url(self, path: str) -> str:
        """Return the address of a path such as `backend-api/models`."""
        return f"{self.root}/{path.lstrip('/')}"


class RouteState(Struct, frozen=True):
    """How a route does, without its prefix, which may be a secret."""

    index: int
    cooling_seconds: float


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
        self._cool_until = [0.0] * len(self._routes)
        self._next = 0

    def __len__(self) -> int:
        return len(self._routes)

    def pick(self, tried: Collection[Route] = ()) -> Route:
        """Return the next route: not cooling if there is one, and then not tried if there is one."""
        now, count = self._clock(), len(self._routes)
        in_turn = [self._routes[(self._next + step) % count] for step in range(count)]
        warm = [route for route in in_turn if self._cool_until[route.index] <= now]
        choice = warm or in_turn
        route = next((route for route in choice if route not in tried), choice[0])
        self._next = (route.index + 1) % count
        return route

    def cool(self, route: Route) -> None:
        """Skip this route for a while."""
        self._cool_until[route.index] = self._clock() + COOL_SECONDS

    def recover(self, route: Route) -> None:
        """Use this route again: it answered."""
        self._cool_until[route.index] = 0.0

    def states(self) -> list[RouteState]:
        """Return how each route does."""
        now = self._clock()
        return [
            RouteState(route.index, max(0.0, self._cool_until[route.index] - now))
            for route in self._routes
        ]
