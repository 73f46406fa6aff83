"""Runs a turn once although it is requested several times (header `Idempotency-Key`).

Theory of operation
-------------------

A client that saw no answer sends its request again. Without this module the upstream would open a
second conversation and count a second message. Here requests of one owner with one key share a
turn: one task reads the upstream and keeps the batches, and each caller follows them from the
first batch on, in the dialect it asked for.

*Life.* The turn ends when its answer does, or when its last follower leaves. A complete answer can
be joined for `KEEP_SECONDS` more. A failed turn cannot, so that a retry is a new try.

*Pace.* The reader is at most `MAX_AHEAD` batches ahead of the fastest follower, so that slow
callers still slow their upstream down.

*Memory.* An open turn keeps every batch, since a later caller wants them all. When one answer
exceeds `MAX_ANSWER_BYTES`, or all together `MAX_BYTES` (then the oldest, ended ones first), the
turn is closed: it takes no new followers, keeps only the batches that its slowest follower has
not seen, and reads ahead of that one only.
"""

import asyncio
import hashlib
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
from msgspec import structs

from service.ports import DeltaSink, Turns
from service.sink import put
from service.vocabulary.credentials import Credential
from service.vocabulary.errors import RequestError
from service.vocabulary.events import Delta, TurnEnded
from service.vocabulary.requests import ChatRequest, FilePart

KEEP_SECONDS = 60.0  # of a finished answer: as long as clients go on retrying
MAX_KEPT = 256  # finished answers
MAX_ANSWER_BYTES = 8 * 1024 * 1024
MAX_BYTES = 64 * 1024 * 1024  # of all turns that can be joined, in one process
MAX_AHEAD = 16  # batches read before any follower wants them
_AT_ONCE_BYTES = 256 * 1024  # hashed within a millisecond
_DELTA_BYTES = 100  # of a delta without its texts

_Batch = list[Delta]
_Key = tuple[str, str]


class SharedTurns:
    """Runs turns, those of one key once; implements `service.ports.Turns`.

    Sharing is within this process, because a turn lives where its upstream connection is.

    Args:
        turns: runs the turn itself.
    """

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._shared: dict[_Key, _Shared] = {}  # turns that can be joined, the oldest first
        self._bytes = 0

    async def run(self, request: ChatRequest, credential: Credential, sink: DeltaSink) -> None:
        """Push the turn into the sink, shared if its key is known; see the port.

        A shared turn does not use the lane, since all of it is kept for later callers.

        Raises:
            RequestError: the key stands for another request.
        """
        if not request.idempotency_key or _has_files(request):
            await self._turns.run(request, credential, sink)
        else:
            await self._follow(request, credential, sink)

    async def drain(self, seconds: float) -> None:
        """Refuse new turns, wait for those that run, and end what is left after that long."""
        await self._turns.drain(seconds)

    async def _follow(self, request: ChatRequest, credential: Credential, sink: DeltaSink) -> None:
        """Push every batch from the first one on; the turn ends when its last follower leaves."""
        shared = self._joined(request, credential, await _digest(request))
        follower = shared.enter()
        try:
            while not sink.is_over() and await shared.has_batch(follower):
                await put(sink, shared.take(follower))
        finally:
            await shared.leave(follower)
        if shared.error is not None:
            raise shared.error

    def _joined(self, request: ChatRequest, credential: Credential, digest: str) -> "_Shared":
        key = (credential.owner, request.idempotency_key)
        shared = self._shared.get(key)
        if shared is None:
            shared = _Shared(digest, lambda size: self._grew(key, size))
            shared.start(self._turns.run(request, credential, shared))
            self._shared[key] = shared
        elif shared.digest != digest:
            message = "Idempotency-Key: this key was used for another request; send a new one."
            raise RequestError(message, param="Idempotency-Key")
        return shared

    def _grew(self, key: _Key, size_bytes: int) -> None:
        """Note the new size of an answer, which may have ended, and close what exceeds a limit."""
        self._bytes += size_bytes
        shared = self._shared.get(key)
        if shared is None:
            return  # closed already
        if not shared.is_good or shared.size_bytes > MAX_ANSWER_BYTES:
            self._close(key)
        elif shared.is_ended:
            asyncio.get_running_loop().call_later(KEEP_SECONDS, self._close, key, shared)
        ended = [key for key, one in self._shared.items() if one.is_ended]
        for oldest in ended[: max(0, len(ended) - MAX_KEPT)]:
            self._close(oldest)
        for oldest in [*ended, *self._shared]:
            if self._bytes <= MAX_BYTES:
                return
            self._close(oldest)

    def _close(self, key: _Key, only: "_Shared | None" = None) -> None:
        """Take no new followers, and keep only batches that the slowest one has not seen."""
        shared = self._shared.get(key)
        if shared is not None and only in (None, shared):
            del self._shared[key]
            shared.close()


class _Follower:
    """One caller of a shared turn; it has taken `seen` batches."""

    def __init__(self) -> None:
        self.seen = 0


class _Shared:
    """One turn and its batches: a sink that one task feeds and any number of callers follow.

    Args:
        digest: of the request.
        grew: called with the number of bytes by which it grew, or shrank (negative).
    """

    lane = None

    def __init__(self, digest: str, grew: Callable[[int], None]) -> None:
        self.digest = digest
        self.size_bytes = 0
        self.is_ended = False
        self._has_end = False  # its end is kept; the turn has only to tidy up
        self.is_good = True  # it has neither failed nor lost all its followers
        self.error: Exception | None = None
        self._grew = grew
        self._is_closed = False
        self._batches: dict[int, _Batch] = {}  # by number, from `_first` up to `_count`
        self._first = self._count = 0
        self._news = asyncio.Condition()
        self._furthest = 0  # the number of batches taken by the fastest follower
        self._followers: set[_Follower] = set()
        self._reader: asyncio.Task[None] | None = None

    def start(self, turn: Coroutine[Any, Any, None]) -> None:
        """Run the turn that feeds this."""
        self._reader = asyncio.get_running_loop().create_task(self._run(turn))

    def enter(self) -> _Follower:
        """Return a new follower, which starts at the first batch."""
        follower = _Follower()
        self._followers.add(follower)
        return follower

    async def has_batch(self, follower: _Follower) -> bool:
        """Wait for the follower's next batch; return False if the turn ended without one."""
        async with self._news:
            if follower.seen > self._furthest or self._is_closed:
                self._furthest = max(self._furthest, follower.seen)
                self._news.notify_all()
            await self._news.wait_for(lambda: follower.seen < self._count or self.is_ended)
        return follower.seen < self._count

    def take(self, follower: _Follower) -> _Batch:
        """Return the follower's next batch."""
        batch = self._batches[follower.seen]
        follower.seen += 1
        self._trim()
        return batch

    async def leave(self, follower: _Follower) -> None:
        """Remove a follower; the turn ends with its last one."""
        self._followers.discard(follower)
        self._trim()
        async with self._news:
            self._news.notify_all()  # it may have been the slowest
        if (
            not self._followers
            and self._reader is not None
            and not (self._has_end or self.is_ended)
        ):
            self.is_good = False
            self._grew(0)
            self._reader.cancel()
            await asyncio.wait({self._reader})

    def close(self) -> None:
        """Drop the batches that all have seen, as no new follower comes."""
        self._is_closed = True
        self._trim()

    def _trim(self) -> None:
        if not self._is_closed:
            return
        freed, slowest = 0, self._slowest()
        while self._first < slowest:
            freed += _size(self._batches.pop(self._first))
            self._first += 1
        self.size_bytes -= freed
        self._grew(-freed)

    def _slowest(self) -> int:
        return min((one.seen for one in self._followers), default=self._count)

    def _is_ahead(self) -> bool:
        """Tell whether the reader has to pause: `MAX_AHEAD` batches are unread."""
        taken = self._slowest() if self._is_closed else self._furthest
        return self._count - taken >= MAX_AHEAD

    async def _run(self, turn: Coroutine[Any, Any, None]) -> None:
        try:
            await turn
        except Exception as error:  # noqa: BLE001 - whatever it is, each follower raises it
            self.error = error
            self.is_good = False
        finally:
            self.is_ended = True
            self._grew(0)
            async with self._news:
                self._news.notify_all()

    # The sink, for the turn.

    def feed(self, batch: _Batch) -> None:
        """Keep a batch."""
        last, size = batch[-1] if batch else None, _size(batch)
        if isinstance(last, TurnEnded):
            self._has_end = True
            self.is_good = self.is_good and last.failure is None
        self._batches[self._count] = batch
        self._count += 1
        self.size_bytes += size
        self._grew(size)

    def is_ready(self) -> bool:
        """Return False: the followers have to be told of each batch."""
        return False

    async def ready(self) -> None:
        """Tell the followers, and wait while they are behind."""
        async with self._news:
            self._news.notify_all()
            await self._news.wait_for(lambda: not self._is_ahead())

    def is_over(self) -> bool:
        """Return False: what a follower does not want, the next one may."""
        return False


def _has_files(request: ChatRequest) -> bool:
    """Tell whether files came with a request, which are deleted with it."""
    parts = (part for message in request.messages for part in message.parts)
    return any(isinstance(part, FilePart) and part.local for part in parts)


def _size(batch: _Batch) -> int:
    """Return an estimate of a batch's size in memory, in bytes."""
    texts = (value for delta in batch for value in structs.astuple(delta) if isinstance(value, str))
    return _DELTA_BYTES * (len(batch) + 1) + sum(map(sys.getsizeof, texts))


async def _digest(request: ChatRequest) -> str:
    """Return a hash of a request without its id, time and manner of delivery."""
    content = structs.replace(
        request,
        request_id="",
        received_at=0.0,
        public_url="",
        idempotency_key="",
        queue_party="",
        is_stream=False,
        is_usage_wanted=False,
    )
    try:
        raw = msgspec.json.encode(content, enc_hook=repr)
    except UnicodeEncodeError:  # a lone surrogate
        raw = repr(content).encode("utf-8", "surrogatepass")
    if len(raw) > _AT_ONCE_BYTES:
        return (await asyncio.to_thread(hashlib.sha256, raw)).hexdigest()
    return hashlib.sha256(raw).hexdigest()
