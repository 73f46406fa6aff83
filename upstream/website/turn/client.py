"""Opens turns; the only sender of a turn's request.

All failures of the network end here: before the response's head as exceptions, after it as the
`BodyEnd` of the body.
"""

import asyncio
from http import HTTPStatus
from typing import Any

import orjson
from prometheus_client import Counter

from service.settings.config import UpstreamConfig
from service.vocabulary.credentials import Caller
from service.vocabulary.errors import (
    UpstreamRefusedError,
    UpstreamUnreachableError,
)
from upstream.http.backend import Backend, is_fault_of_route
from upstream.http.retries import pause_before_retry
from upstream.http.routing import Route
from upstream.line.answer_body import AnswerBody

_OK = int(HTTPStatus.OK)  # a member is looked up by Python code


class TurnClient:
    """Sends turns, and sends them again while the upstream has sent no event."""

    def __init__(
        self,
        config: UpstreamConfig,
        backend: Backend,
        retries: Counter,
    ) -> None:
        self._config = config
        self._backend = backend
        self._routes = backend.routes
        self._retries = retries

    def secrets_of(self, caller: Caller) -> list[str]:
        """Return the secrets that are sent upstream and must not be repeated in errors."""
        return self._backend.secrets_of(caller)

    def accepted(self, caller: Caller) -> None:
        """Note that the upstream has begun to answer; status 200 alone may still be an error."""
        self._backend.accepted(caller)

    async def open(
        self, caller: Caller, body: dict[str, Any], headers: dict[str, str] | None = None
    ) -> AnswerBody:
        """Send a turn and return its body once the upstream has accepted it.

        Raises:
            UpstreamRefusedError: it answered with an error or a CDN's page.
            UpstreamUnreachableError: no connection, after all tries.
            UpstreamTimeoutError: it did not answer in time.
        """
        tried: list[Route] = []
        data = orjson.dumps(body)
        while True:
            route = self._routes.pick(tried)
            tried.append(route)
            try:
                opened = await self._post(route, self._config.turn_path, caller, data, headers)
            except (UpstreamUnreachableError, UpstreamRefusedError) as error:
                if isinstance(error, UpstreamRefusedError):
                    self._backend.note(route, error)
                pause = pause_before_retry(error, len(tried))
                if pause is None or len(tried) > self._config.retries:
                    raise
                self._retries.inc()
                if not (is_fault_of_route(error) and self._routes.has_other(tried)):
                    await asyncio.sleep(pause)
            else:
                self._routes.recover(route)
                return opened

    async def resume(
        self, caller: Caller, conversation_id: str, offset: int, token: str | None
    ) -> AnswerBody:
        """Open the other body of a handed-off turn (protocol 4.6), in one try.

        Raises:
            UpstreamError: as for `open`.
        """
        headers = {"X-Conduit-Token": token} if token else None
        data = orjson.dumps({"conversation_id": conversation_id, "offset": offset})
        path = "backend-api/f/conversation/resume"
        return await self._post(self._routes.pick(), path, caller, data, headers)

    async def _post(
        self,
        route: Route,
        path: str,
        caller: Caller,
        data: bytes,
        headers: dict[str, str] | None,
    ) -> AnswerBody:
        every = {
            **self._backend.headers_for(caller, accept="text/event-stream"),
            "Accept-Encoding": "identity",  # a compressed stream would arrive late and in bursts
            "Content-Type": "application/json",
            **(headers or {}),
        }
        async with (
            self._backend.connecting(route, is_counted=True),
            asyncio.timeout(self._config.first_event_seconds),
        ):
            response = await self._backend.post_turn(route.url(path), data, every)
            is_page = "html" in response.headers.get("Content-Type", "").lower()
            if response.status != _OK or is_page:
                raise await self._backend.refusal_of(response, caller)
        return AnswerBody(response, self._config)
