"""Tells `/readyz` whether the upstream can be reached now (port `Reachable`)."""

import time
from collections.abc import Callable
from http import HTTPStatus

import aiohttp

from service.vocabulary.errors import UpstreamError
from upstream.http.backend import Backend

# Orchestrators probe every few seconds; the upstream is not asked each time.
FRESH_SECONDS = 5.0
_TIMEOUT = aiohttp.ClientTimeout(total=5)


class UpstreamProbe:
    """Sends a GET over each route in turn until one is answered with a status below 500.

    Args:
        backend: is asked.
        path: of the GET, sent without a bearer: a refusal is an answer too.
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
        """Return the reason for which the upstream cannot be used now, or None; kept for `FRESH_SECONDS`."""
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
                        # A page may come from a CDN in between, so it does not show that the route works.
                        if "html" not in response.headers.get("Content-Type", "").lower():
                            self._backend.routes.recover(route)
                        return None
                    self._backend.routes.cool(route)
                    problem = f"the upstream answers with status {response.status}"
            except UpstreamError:
                continue
        return problem
