"""Which uploads are evicted when the store is full: those of the owner who holds most (spec 8).

    owner a ██████████    a loses its oldest files until it holds no more than b,
    owner b ██████        then a and b lose files in turn
    owner c ██            c, who brings a new file, loses nothing

No owner loses a file to a newcomer who would hold more than they do: that newcomer is refused.
"""

import asyncio
import heapq
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterable, Sequence

from msgspec import Struct

from service.vocabulary.errors import StorageFullError
from storage.files.retention import YOUNG_SECONDS, KeptFile

# A full store is freed of a hundredth more than needed, so that not every new file has to look
# through all of it.
SLACK_PARTS = 100


class Newcomer(Struct, frozen=True):
    """The owner who brings a new file, and the file's size."""

    owner: str
    size_bytes: int


def evicted(
    files: Iterable[KeptFile], max_bytes: int, now: float, newcomer: Newcomer | None = None
) -> list[KeptFile]:
    """Return the files to remove so that all, the newcomer included, fit into `max_bytes`.

    Expired files go first.

    Args:
        files: all stored files; a key ends in `<owner>/<name>`.
        max_bytes: the limit for all owners together; 0 is no limit.
        now: seconds since 1970.
        newcomer: None for a sweep, which spares files under a minute old.

    Raises:
        StorageFullError: the newcomer would hold the most.
    """
    gone, by_owner = _sorted(files, now)
    held = {name: _size(own) for name, own in by_owner.items()}
    own_bytes = held.pop(newcomer.owner, 0) + newcomer.size_bytes if newcomer else 0
    excess = sum(held.values()) + own_bytes - max_bytes if max_bytes else 0
    if excess <= 0:
        return gone
    slack, spared_from = (max_bytes // SLACK_PARTS, now) if newcomer else (0, now - YOUNG_SECONDS)
    largest = [(-size, name) for name, size in held.items()]
    heapq.heapify(largest)
    while largest and excess > -slack and -largest[0][0] >= max(1, own_bytes):
        size, name = heapq.heappop(largest)
        file = by_owner[name].popleft()
        if file.changed_at > spared_from:
            continue
        gone.append(file)
        excess -= file.size_bytes
        heapq.heappush(largest, (size + file.size_bytes, name))
    if newcomer and excess > 0:
        raise _full(own_bytes)
    return gone


def _sorted(
    files: Iterable[KeptFile], now: float
) -> tuple[list[KeptFile], dict[str, deque[KeptFile]]]:
    """Return the expired files, and the other files of each owner, the oldest first."""
    expired: list[KeptFile] = []
    by_owner: dict[str, deque[KeptFile]] = defaultdict(deque)
    for file in sorted(files, key=lambda file: file.changed_at):
        if file.expires_at <= now:
            expired.append(file)
        else:
            by_owner[owner_of(file)].append(file)
    return expired, by_owner


def owner_of(file: KeptFile) -> str:
    """Return the owner in a file's key: `a1b2…` of `uploads/a1b2…/file-…`."""
    return file.key.rsplit("/", 2)[-2]


def _size(files: Iterable[KeptFile]) -> int:
    return sum(file.size_bytes for file in files)


def _full(own_bytes: int) -> StorageFullError:
    message = (
        f"This server's store of files is full, and with this one you would hold the most of it: "
        f"{own_bytes} bytes. Delete some by DELETE /v1/files/{{id}}."
    )
    return StorageFullError(message)


class SharedSpace:
    """Keeps the files of all owners within a limit as new ones come.

    The total is looked up every `seconds` seconds. In between this process counts what it adds
    itself; files that other processes add are not counted, so they may exceed the limit for that
    long.

    Args:
        total: looks up the stored bytes.
        files: looks up all files.
        forget: removes files.
        seconds: between two look-ups of the total.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        total: Callable[[], Awaitable[int]],
        files: Callable[[], Awaitable[list[KeptFile]]],
        forget: Callable[[Sequence[KeptFile]], Awaitable[object]],
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total = total
        self._files = files
        self._forget = forget
        self._seconds = seconds
        self._clock = clock
        self._bytes = 0
        self._again_at = -1.0
        self._one_at_a_time = asyncio.Lock()

    def added(self, size_bytes: int) -> None:
        """Count a file that this process has stored."""
        self._bytes += size_bytes

    async def make_room(
        self, owner: str, size_bytes: int, coming_bytes: int, max_bytes: int
    ) -> None:
        """Remove files until `coming_bytes` more fit.

        Args:
            owner: who brings a file.
            size_bytes: of that file.
            coming_bytes: of all files being received, this one included.
            max_bytes: the limit for all stored files.

        Raises:
            StorageFullError: the owner would hold the most.
            StorageError: the store is out of order.
        """
        async with self._one_at_a_time:
            if self._clock() >= self._again_at:
                self._bytes = await self._total()
                self._again_at = self._clock() + self._seconds
            if self._bytes + coming_bytes <= max_bytes:
                return
            files, newcomer = await self._files(), Newcomer(owner, size_bytes)
            limit = max(1, max_bytes - coming_bytes + size_bytes)
            gone = await asyncio.to_thread(evicted, files, limit, time.time(), newcomer)
            await self._forget(gone)
            self._bytes = _size(files) - _size(gone)
