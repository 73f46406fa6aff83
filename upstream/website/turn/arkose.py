"""Tokens from the Arkose services that the operator runs (setting `arkose.urls`)."""

import asyncio
import logging
from collections.abc import Sequence

import aiohttp

from service.vocabulary.errors import UpstreamError
from upstream.http.backend import USER_AGENT
from upstream.http.bodies import json_object, read_start

_SECONDS = 30.0  # for one service; some wait for a person to solve the puzzle
_MAX_ANSWER_BYTES = 1024 * 1024
_log = logging.getLogger("gateway.arkose")


class Arkose:
    """Asks the services in order; the gateway itself solves no puzzle.

    Args:
        urls: of the services; without any there is no token.
        session: shared by the process.
        seconds: how long one service may take.
    """

    def __init__(
        self, urls: Sequence[str], session: aiohttp.ClientSession, seconds: float = _SECONDS
    ) -> None:
        self._urls = tuple(url.rstrip("/") for url in urls)
        self._session = session
        self._seconds = seconds

    async def token(self) -> str | None:
        """Return the first token that a service gives, None without services.

        Raises:
            UpstreamError: no service gave a token.
        """
        for place, url in enumerate(self._urls, 1):
            if token := await self._ask(place, url):
                return token
        if not self._urls:
            return None
        raise UpstreamError("No Arkose token service gave a token; please try again later.")

    async def _ask(self, place: int, url: str) -> str | None:
        """Return the token of one service, or None. Its address may be secret and is not logged."""
        try:
            async with (
                asyncio.timeout(self._seconds),
                self._session.post(
                    f"{url}/api/arkose/token",
                    data={"type": "gpt-4"},
                    headers={"User-Agent": USER_AGENT},
                ) as response,
            ):
                answer = json_object(await read_start(response, _MAX_ANSWER_BYTES))
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
            _log.warning("Arkose service %d failed: %s", place, type(error).__name__)
            return None
        token = (answer or {}).get("token")
        if isinstance(token, str) and token:
            return token
        _log.warning("Arkose service %d gave no token, status %d", place, response.status)
        return None
