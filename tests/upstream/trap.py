"""A port to which no request may be sent."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any


@asynccontextmanager
async def running_trap() -> AsyncIterator[tuple[int, list[Any]]]:
    """Listen on a port of several loopback addresses; the value is the port and its visitors."""
    visits: list[Any] = []

    def visit(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visits.append(writer.get_extra_info("sockname"))
        writer.close()

    server = await asyncio.start_server(visit, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    others = [await asyncio.start_server(visit, host, port) for host in ("127.0.0.2", "::1")]
    try:
        yield port, visits
    finally:
        for one in (server, *others):
            one.close()
