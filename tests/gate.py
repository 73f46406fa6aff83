"""A port before another one, which can be closed and opened again, or lose what is connected."""

import asyncio
from contextlib import suppress

from tests.gateway import until

READ_BYTES = 64 * 1024


class Gate:
    """Passes on each connection to an address (`host:port`) while it is open.

    `port` is where it listens, the same one each time.
    """

    def __init__(self, target: str) -> None:
        self._host, _, port = target.rpartition(":")
        self._target_port = int(port)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def open(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def shut(self) -> None:
        """Listen no more, and take no further request of a connection that is open.

        What was asked before is answered to its end.
        """
        if self._server is not None:
            self._server.close()
            self._server = None

    def reset(self) -> None:
        """Break all connections that are open."""
        for writer in self._writers:
            writer.transport.abort()

    async def close(self) -> None:
        """Shut it, break what is connected, and wait until that is over."""
        self.shut()
        self.reset()
        await until(lambda: not self._writers)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        beyond, there = await asyncio.open_connection(self._host, self._target_port)
        self._writers |= {writer, there}
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._copy(reader, there, is_request=True))
                group.create_task(self._copy(beyond, writer, is_request=False))
        finally:
            self._writers -= {writer, there}

    async def _copy(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_request: bool
    ) -> None:
        """Copy until the end of one side, which ends the other as well."""
        with suppress(OSError):
            while data := await reader.read(READ_BYTES):
                if is_request and self._server is None:
                    break
                writer.write(data)
                await writer.drain()
        writer.close()
