"""The server of one process: set up, drained and closed the same way however it is started."""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

from aiohttp import hdrs, web
from msgspec import Struct
from typing_extensions import override

from service.connections.bad_http import JsonServer
from service.keys import METRICS
from service.settings.config import Config

# A proxy or client may be sending on an open connection; it gets its answer, and the notice that
# this request is the last one, instead of a closed connection. Part of the time to drain.
LAST_REQUESTS_SECONDS = 1.0
_LOOK_SECONDS = 0.02
# After draining, open replies get this long to carry their last error frame out.
FLUSH_SECONDS = 5.0
# How long the rest of a refused upload is read and dropped, so that a caller that sends everything
# before it reads gets to see the refusal; nginx takes as long.
LINGER_SECONDS = 30.0
# How long a connection may wait for its next request: longer than the proxies in front keep
# connections (the longest is a Google load balancer, 600 seconds), so that the proxies close first.
KEEP_ALIVE_SECONDS = 620.0
# Bearers of up to 8192 characters (service/vocabulary/credentials.py) and their name fit into one field.
MAX_HEADER_BYTES = 16 * 1024


def nothing_to_prepare(_config: Config) -> None:
    """Do nothing."""


class Program(Struct, frozen=True):
    """The program to run: `service.program.assembly`, or a stand-in of a test.

    `prepare` is called once before all processes; it may raise a StorageError.
    """

    make_app: Callable[[Config], web.Application]
    drain: Callable[[web.Application, float], Awaitable[None]]
    prepare: Callable[[Config], None] = nothing_to_prepare


class DrainingRunner(web.AppRunner):
    """An `AppRunner` that lets running answers finish before it closes anything.

    Raises:
        Exception: from `setup`, whatever the application's start raises.
    """

    def __init__(self, program: Program, config: Config) -> None:
        super().__init__(
            program.make_app(config),
            handler_cancellation=True,  # notices a caller who leaves during silence
            access_log=None,  # the application writes its own line for each request
            shutdown_timeout=FLUSH_SECONDS,
            max_field_size=MAX_HEADER_BYTES,
            lingering_time=LINGER_SECONDS,
            keepalive_timeout=KEEP_ALIVE_SECONDS,
        )
        self._program = program
        self._config = config.server
        self._is_stopping = False
        self.app.on_response_prepare.append(self._say_goodbye)

    @override
    async def setup(self) -> None:
        """Start the application, with `server.threads` threads for disk and pictures."""
        pool = ThreadPoolExecutor(self._config.threads, thread_name_prefix="work")
        asyncio.get_running_loop().set_default_executor(pool)
        await super().setup()
        # All objects made so far (tokenizer, modules) will stay. Without them the collector has
        # less to walk through, which was a fifth of a short request.
        gc.collect()
        gc.freeze()

    @override
    async def _make_server(self) -> web.Server:
        """Make the base class's server, with JSON for its own error answers."""
        return JsonServer(await super()._make_server(), self._count)

    @override
    async def cleanup(self) -> None:
        """Stop listening, drain for `server.drain_seconds`, close."""
        sites = self.sites
        for site in sites:
            await site.stop()
        if sites:
            clock, seconds = asyncio.get_running_loop().time, self._config.drain_seconds
            until = clock() + seconds
            await self._take_last_requests(min(LAST_REQUESTS_SECONDS, seconds / 10))
            await self._program.drain(self.app, until - clock())
        await super().cleanup()

    def _count(self, status: int) -> None:
        """Count a request that the application has not seen."""
        if (metrics := self.app.get(METRICS)) is not None:
            metrics.requests.labels("malformed", str(status)).inc()

    async def _take_last_requests(self, seconds: float) -> None:
        """Answer requests that are on their way, then close idle connections."""
        self._is_stopping = True
        loop, server = asyncio.get_running_loop(), self.server
        until = loop.time() + seconds
        await asyncio.sleep(0)  # so that what was accepted last becomes a connection
        while server is not None and server.connections and loop.time() < until:  # noqa: ASYNC110 - there is no event
            await asyncio.sleep(_LOOK_SECONDS)
        if server is not None:
            server.pre_shutdown()

    async def _say_goodbye(self, _request: web.Request, response: web.StreamResponse) -> None:
        if self._is_stopping:
            response.headers[hdrs.CONNECTION] = "close"
            response.force_close()
