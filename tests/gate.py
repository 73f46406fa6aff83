"""A port in front of another one, which can be closed and reopened, or break its connections."""

import asyncio
from contextlib import suppress

from tests.gateway import until

READ_BYTES = 64 * 1024


class Gate:
    """Forwards each connection to an address (`host:port`) while it is open.

    It listens on `port`, which stays the same.
    """

    def __init__(self, target: str) -> None:
        self._host, _, port = target.rpartition(":")
        self._target_port = int(port)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def open(self) -> None:
        """Start to listen."""
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def shut(self) -> None:
        """Stop listening, and take no further request from open connections.

        Requests under way are answered to their end.
        """
        if self._server is not None:
            self._server.close()
            self._server = None

    def reset(self) -> None:
        """Break all connections that are open."""
        for writer in self._writers:
            writer.transport.abort()

    async def close(self) -> None:
        """Stop listening, break all connections, and wait for their end."""
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
        """Copy until one side ends, which ends the other side too."""
        with suppress(OSError):
            while data := await reader.read(READ_BYTES):
                if is_request and self._server is None:
                    break
                writer.write(data)
                await writer.drain()
        writer.close()
