"""A small application run by `service.program.launch`, for the tests of starting and stopping."""

import asyncio
import os
import sys
import threading
import time
from pathlib import Path

from aiohttp import web

from service.program.launch import run
from service.program.runner import Program
from service.settings.config import Config, load_config

CONFIG = web.AppKey("CONFIG", Config)
OPEN = web.AppKey("OPEN", set)


def leave(name: str) -> None:
    """Create the file that the test waits for."""
    Path(name).touch()


async def about(request: web.Request) -> web.Response:
    config = request.app[CONFIG]
    loop = asyncio.get_running_loop()
    thread = await loop.run_in_executor(None, lambda: threading.current_thread().name)
    return web.json_response(
        {
            "pid": os.getpid(),
            "base_url": config.upstream.base_url,
            "oaifree_url": config.tokens.oaifree_url,
            "openai_url": config.tokens.openai_url,
            "proxy": config.upstream.proxy,
            "loop": type(loop).__module__,
            "thread": thread,
        }
    )


async def headers(request: web.Request) -> web.Response:
    return web.Response(text="".join(f"{name}: {text}\n" for name, text in request.headers.items()))


async def size(request: web.Request) -> web.Response:
    return web.Response(text=str(len(await request.read())))


async def slow(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    request.app[OPEN].add(request.task)
    try:
        for _ in range(int(request.query["tenths"])):
            await response.write(b".")
            await asyncio.sleep(0.1)
        await response.write(b"end")
    except asyncio.CancelledError:
        leave("cancelled")
        raise
    finally:
        request.app[OPEN].discard(request.task)
    return response


async def vanish(request: web.Request) -> web.Response:
    leave("vanished")
    if request.transport:
        request.transport.abort()
    return web.Response()


async def fail(_request: web.Request) -> web.Response:
    return web.Response(status=502, text="of the gateway")


def make_app(config: Config) -> web.Application:
    while Path("slow-start").exists():
        leave("starting")
        time.sleep(0.05)
    if "broken" in sys.argv or Path("broken").exists():
        message = "the start failed"
        raise RuntimeError(message)
    app = web.Application(client_max_size=10_000_000)
    app[CONFIG] = config
    app[OPEN] = set()
    app.router.add_get("/about", about)
    app.router.add_get("/slow", slow)
    app.router.add_get("/headers", headers)
    app.router.add_post("/size", size)
    app.router.add_post("/vanish", vanish)
    app.router.add_get("/fail", fail)
    return app


async def drain(app: web.Application, seconds: float) -> None:
    if app[OPEN]:
        await asyncio.wait(app[OPEN], timeout=seconds)
    leave(f"drained-{os.getpid()}")


if __name__ == "__main__":
    sys.exit(run(load_config(Path("config.yaml")), Program(make_app, drain)))
