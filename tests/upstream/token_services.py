"""A token service on a real socket that counts, fails, rotates and waits as tests say."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import jwt
from aiohttp import web
from aiohttp.test_utils import TestServer

from service.settings.config import TokensConfig

KEY = "made up for tests, thirty-two bytes or more"


def access_token(life_seconds: float | None, now: float | None = None, **claims: Any) -> str:
    """Return a JWT that ends in `life_seconds`, or has no `exp`."""
    if life_seconds is not None:
        claims["exp"] = (now or time.time()) + life_seconds
    token: str = jwt.encode(claims, KEY)
    return token


class FakeTokenService:
    """How the service behaves, and what it was sent."""

    def __init__(self) -> None:
        self.url = ""
        self.clock: Callable[[], float] = time.time
        self.life_seconds = 864_000.0
        self.delay_seconds = 0.0
        self.may_answer = asyncio.Event()  # cleared: calls are taken, and wait
        self.may_answer.set()
        self.is_rotating = False
        self.is_strict = False  # True: a rotated token is dead
        self.answers: list[web.Response | None] = []  # given first; None cuts the connection
        self.calls: list[dict[str, str]] = []
        self.content_types: list[str] = []
        self._numbers = itertools.count(1)
        self.used_up: set[str] = set()

    @property
    def config(self) -> TokensConfig:
        """The settings that name this service."""
        return TokensConfig(oaifree_url=f"{self.url}/api/auth/refresh")

    @property
    def tokens_seen(self) -> list[str]:
        """The refresh tokens that were sent, in order."""
        return [call["refresh_token"] for call in self.calls]

    def fail(self, status: int, text: str = "", times: int = 1, **headers: str) -> None:
        """Give this answer to the next calls."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        kind = names.pop("content-type", "application/json")
        for _ in range(times):
            self.answers.append(
                web.Response(status=status, text=text, content_type=kind, headers=names)
            )

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one exchange."""
        self.content_types.append(request.content_type)
        is_form = request.content_type == "application/x-www-form-urlencoded"
        call = dict(await request.post() if is_form else await request.json())
        self.calls.append(call)
        await asyncio.sleep(self.delay_seconds)
        await self.may_answer.wait()
        if self.answers:
            answer = self.answers.pop(0)
            if answer is None and request.transport is not None:
                request.transport.close()
            return answer or web.Response()
        sent = call["refresh_token"]
        if self.is_strict and sent in self.used_up:
            return web.json_response({"error": "refresh_token_reused"}, status=401)
        number = next(self._numbers)
        grant = {"access_token": access_token(self.life_seconds, self.clock(), jti=f"{number}")}
        if self.is_rotating:
            self.used_up.add(sent)
            grant["refresh_token"] = f"rotated-token-number-{number}"
        return web.json_response(grant)


@asynccontextmanager
async def running_token_service() -> AsyncIterator[FakeTokenService]:
    """Run a service for the block."""
    service = FakeTokenService()
    app = web.Application()
    app.router.add_post("/{tail:.*}", service.handle)
    async with TestServer(app) as server:
        service.url = f"http://127.0.0.1:{server.port}"
        yield service
