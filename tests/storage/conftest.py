import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import obstore
import pytest
from obstore.store import S3Store

from tests.full_disk import no_room_for_files
from tests.s3_server import BUCKET, running_s3

NoRoom = Callable[..., AbstractContextManager[None]]


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """Return the address of a real S3 server; its credentials are in the environment."""
    with running_s3() as url:
        yield url


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
    """Return a prefix in the bucket for one test."""
    return re.sub(r"\W", "-", request.node.nodeid)


@pytest.fixture
def objects(s3: str, prefix: str) -> "Objects":
    """Return the objects of that server below the test's prefix."""
    assert s3
    return Objects(prefix)


class Objects:
    """The objects below the test's prefix, read without our own code."""

    def __init__(self, prefix: str) -> None:
        self.address = f"s3://{BUCKET}/{prefix}/below"
        self._prefix = prefix
        self._store = S3Store(BUCKET, client_options={"allow_http": True})

    @property
    def keys(self) -> list[str]:
        """Return all keys, those outside the prefix with `../` in front."""
        listed = obstore.list(self._store, prefix=self._prefix)
        paths = (meta["path"] for batch in listed for meta in batch)
        ours = f"{self._prefix}/below/"
        return sorted(path.removeprefix(ours).replace(f"{self._prefix}/", "../") for path in paths)

    def put(self, key: str, content: bytes = b"x") -> None:
        obstore.put(self._store, self._path(key), content)

    def delete(self, key: str) -> None:
        obstore.delete(self._store, self._path(key))

    def _path(self, key: str) -> str:
        below = "" if key.startswith("../") else "below/"
        return f"{self._prefix}/{below}{key.removeprefix('../')}"


@pytest.fixture
def no_room() -> NoRoom:
    """Limit the size of files while a block runs, so that writes fail as on a full disk."""
    return no_room_for_files
