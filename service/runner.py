"""One process's server: set up, drained and closed the same way however it is started."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

from aiohttp import web
from msgspec import Struct
from typing_extensions import override

from service.config import Config
from service.keys import METRICS
from service.malformed import JsonServer

# After draining, open replies get this long to carry their last error frame out.
FLUSH_SECONDS = 5.0
# How long the rest of a refused upload is read and dropped, so that a caller that writes all before
# it reads anything gets to see the refusal; as long as nginx does it.
LINGER_SECONDS = 30.0
# Bearers of up to 8192 characters (service/credentials.py) and their name fit into one field.
MAX_HEADER_BYTES = 16 * 1024


class Program(Struct, frozen=True):
    """What is run: `service.app`, or a stand-in of a test."""

    make_app: Callable[[Config], web.Application]
    drain: Callable[[web.Application, float], Awaitable[None]]


class DrainingRunner(web.AppRunner):
    """An `AppRunner` that lets running answers finish before it closes anything.

    Raises:
        Exception: from `setup`, whatever the application's start raises.
    """

    def __init__(self, program: Program, config: Config) -> None:
        super().__init__(
            program.make_app(config),
            handler_cancellation=True,  # a caller that leaves while upstream is silent is noticed
            access_log=None,  # the application writes its own line for each request
            shutdown_timeout=FLUSH_SECONDS,
            max_field_size=MAX_HEADER_BYTES,
            lingering_time=LINGER_SECONDS,
        )
        self._program = program
        self._config = config.server

    @override
    async def setup(self) -> None:
        """Start the application, with `server.threads` threads for disk and pictures."""
        pool = ThreadPoolExecutor(self._config.threads, thread_name_prefix="work")
        asyncio.get_running_loop().set_default_executor(pool)
        await super().setup()

    @override
    async def _make_server(self) -> web.Server:
        """Make the server that the base class makes, with answers of its own in JSON."""
        return JsonServer(await super()._make_server(), self._count)

    @override
    async def cleanup(self) -> None:
        """Stop listening, drain for `server.drain_seconds`, close."""
        sites = self.sites
        for site in sites:
            await site.stop()
        if sites:
            await self._program.drain(self.app, self._config.drain_seconds)
        await super().cleanup()

    def _count(self, status: int) -> None:
        """Count a request that the application has not seen."""
        if (metrics := self.app.get(METRICS)) is not None:
            metrics.requests.labels("malformed", str(status)).inc()
