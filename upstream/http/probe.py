"""Whether the upstream can be reached now, for `/readyz` (port `Reachable`)."""

import time
from collections.abc import Callable
from http import HTTPStatus

import aiohttp

from service.vocabulary.errors import UpstreamError
from upstream.http.backend import Backend

# Probes come every few seconds from each orchestrator; the upstream need not hear them all.
FRESH_SECONDS = 5.0
_TIMEOUT = aiohttp.ClientTimeout(total=5)


class UpstreamProbe:
    """Asks each route in turn for anything at all; an answer below 500 is good.

    Args:
        backend: is asked.
        path: what for, without a bearer: being refused is being answered.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        backend: Backend,
        path: str = "backend-api/models",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._backend = backend
        self._path = path
        self._clock = clock
        self._asked_at: float | None = None
        self._problem: str | None = None

    async def problem(self) -> str | None:
        """Return why the upstream cannot be used now, or None; remembered for a few seconds."""
        now = self._clock()
        if self._asked_at is None or now - self._asked_at > FRESH_SECONDS:
            self._problem = await self._ask()
            self._asked_at = now
        return self._problem

    async def _ask(self) -> str | None:
        problem = "the upstream cannot be reached"
        for _ in range(len(self._backend.routes)):
            route = self._backend.routes.pick()
            headers = self._backend.bare_headers(is_own=True)
            try:
                async with (
                    self._backend.connecting(route),
                    self._backend.session.get(
                        route.url(self._path),
                        headers=headers,
                        timeout=_TIMEOUT,
                        allow_redirects=False,
                    ) as response,
                ):
                    if response.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                        # A page may be a CDN's, whose routes are found out by the turns.
                        if "html" not in response.headers.get("Content-Type", "").lower():
                            self._backend.routes.recover(route)
                        return None
                    self._backend.routes.cool(route)
                    problem = f"the upstream answers with status {response.status}"
            except UpstreamError:
                continue
        return problem
