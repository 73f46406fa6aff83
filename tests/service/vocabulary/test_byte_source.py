"""Bytes on the disk or in a remote store, read as a whole."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from msgspec import Struct

from service.vocabulary.byte_source import read_all
from service.vocabulary.errors import StorageError


class Held(Struct, frozen=True):
    """Remote content held in memory, which may fail."""

    body: bytes
    error: Exception | None = None
    made_at: float = 0.0

    @property
    def size_bytes(self) -> int:
        return len(self.body)

    async def read(self, start: int, end: int) -> AsyncGenerator[bytes, None]:
        for at in range(start, end, 3):
            yield self.body[at : min(at + 3, end)]
        if self.error is not None:
            raise self.error


async def test_both_kinds_are_read_whole(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"0123456789")
    assert await read_all(tmp_path / "x") == b"0123456789"
    assert await read_all(Held(b"0123456789")) == b"0123456789"
    assert await read_all(Held(b"")) == b""


async def test_what_cannot_be_read_is_a_storage_error(tmp_path: Path) -> None:
    for content in (tmp_path / "none", Held(b"x", FileNotFoundError())):
        with pytest.raises(StorageError, match="cannot be read") as caught:
            await read_all(content)
        assert str(tmp_path) not in caught.value.message
    with pytest.raises(StorageError, match="bucket"):
        await read_all(Held(b"x", StorageError("bucket")))
