"""Where the bytes of a stored file are: on this machine's disk, or in a remote store."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Protocol

from service.vocabulary.errors import StorageError


class RemoteContent(Protocol):
    """A stored file in a remote store; its bytes never change."""

    @property
    def size_bytes(self) -> int:
        """The size of the file."""

    @property
    def made_at(self) -> float:
        """When the file was stored, in seconds since 1970."""

    def read(self, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """Yield the bytes from `start` up to, but not including, `end`.

        Raises:
            FileNotFoundError: the file is gone.
            StorageError: the store is out of order.
        """


Content = Path | RemoteContent


async def read_all(content: Content) -> bytes:
    """Return all the bytes of a stored file, in memory.

    Raises:
        StorageError: they cannot be read any more.
    """
    try:
        if isinstance(content, Path):
            return await asyncio.to_thread(content.read_bytes)
        return b"".join([chunk async for chunk in content.read(0, content.size_bytes)])
    except OSError as error:
        raise StorageError("The stored file cannot be read.") from error
