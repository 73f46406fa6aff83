"""Where the bytes of a stored file are: on this machine's disk, or in a store beyond it."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Protocol

from service.vocabulary.errors import StorageError


class RemoteContent(Protocol):
    """The bytes of a stored file that is on no disk of this machine; they never change."""

    @property
    def size_bytes(self) -> int:
        """How many there are."""

    @property
    def made_at(self) -> float:
        """When they were stored, in seconds since 1970."""

    def read(self, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """Yield the bytes from `start` up to `end`, which is not among them.

        Raises:
            FileNotFoundError: the file is gone.
            StorageError: the store is out of order.
        """


Content = Path | RemoteContent


async def read_all(content: Content) -> bytes:
    """Return the bytes, all in memory.

    Raises:
        StorageError: they cannot be read any more.
    """
    try:
        if isinstance(content, Path):
            return await asyncio.to_thread(content.read_bytes)
        return b"".join([chunk async for chunk in content.read(0, content.size_bytes)])
    except OSError as error:
        raise StorageError("The stored file cannot be read.") from error
