"""The bodies of the website's answers, which `bodies.yaml` has."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from upstream.demo.ground.templates import fill, load

BODIES = load(__file__)


def body(name: str, /, **names: Any) -> Any:
    """Return a body with its names filled in."""
    return fill(BODIES[name], names)


def answer(name: str, /, **names: Any) -> web.Response:
    """Return an answer with such a body."""
    return web.json_response(body(name, **names))


def always(name: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Return a handler whose answer depends on nothing."""

    async def give(_request: web.Request) -> web.Response:
        return answer(name)

    return give
