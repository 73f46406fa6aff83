"""Turns that are asked for twice and run once (header `Idempotency-Key`, `server.join_seconds`).

A client that saw no answer asks again; without this, the upstream would open a second
conversation and count a second message. Joined callers see the turn from its beginning, each in
the form it asked for. The turn ends with its last caller, or with its answer, which is kept for
those who ask a little later; a failed one is not, so that asking again is a new try.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from contextlib import aclosing

from msgspec import structs

from service.ports import Lane, Turns
from service.vocabulary.credentials import Credential
from service.vocabulary.errors import RequestError
from service.vocabulary.events import Delta, TurnEnded
from service.vocabulary.requests import ChatRequest, FilePart

KEEP_SECONDS = 60.0  # of a finished answer: as long as clients go on trying again
MAX_KEPT = 256  # finished answers
MAX_AHEAD = 16  # batches read for nobody yet: a slow caller still slows its own upstream

_Batch = list[Delta]
_Key = tuple[str, str, str]


class JoiningTurns:
    """Runs turns, those of one key once; implements `service.ports.Turns`.

    Joining is within this process: a turn lives where its upstream connection is.

    Args:
        turns: what runs them.
        join_seconds: for how long an identical request without a key joins, 0: never.
    """

    def __init__(self, turns: Turns, join_seconds: float = 0.0) -> None:
        self._turns = turns
        self._join_seconds = join_seconds
        self._shared: dict[_Key, _Shared] = {}

    def run(
        self, request: ChatRequest, credential: Credential, lane: Lane | None = None
    ) -> AsyncGenerator[_Batch, None]:
        """Return the batches of the turn, whoever asked for it first; see the port.

        A turn that can be joined leaves the lane alone: all of it is kept for those who come later.

        Raises:
            RequestError: the key stands for another request.
        """
        key = self._key(request, credential)
        if key is None:
            return self._turns.run(request, credential, lane)
        return self._joined(key, request, credential).follow()

    async def drain(self, seconds: float) -> None:
        """Refuse new turns, wait for those that run, and end what is left after that long."""
        await self._turns.drain(seconds)

    def _key(self, request: ChatRequest, credential: Credential) -> _Key | None:
        """Return what the turn is found by, None for one that is nobody else's."""
        if not request.idempotency_key and not self._join_seconds:
            return None
        parts = (part for message in request.messages for part in message.parts)
        if any(isinstance(part, FilePart) and part.local for part in parts):
            return None  # received files go with the request that brought them
        if request.idempotency_key:
            return "key", credential.owner, request.idempotency_key
        return "same", credential.owner, _digest(request)

    def _joined(self, key: _Key, request: ChatRequest, credential: Credential) -> "_Shared":
        now = asyncio.get_running_loop().time()
        self._forget(now)
        shared, digest = self._shared.get(key), _digest(request)
        is_late = key[0] == "same" and shared and now > shared.began_at + self._join_seconds
        if shared is None or is_late or not shared.is_open:
            shared = _Shared(digest, self._turns.run(request, credential), now)
            self._shared[key] = shared
        elif shared.digest != digest:
            message = "Idempotency-Key: this key was used for another request; send a new one."
            raise RequestError(message, param="Idempotency-Key")
        return shared

    def _forget(self, now: float) -> None:
        """Drop what nobody can join, answers kept for long enough, and the oldest of too many."""
        ended = {key: one.ended_at for key, one in self._shared.items() if one.ended_at is not None}
        surplus = len(ended) - MAX_KEPT
        for index, (key, ended_at) in enumerate(ended.items()):
            is_old = index < surplus or now > ended_at + KEEP_SECONDS
            if is_old or not self._shared[key].is_open:
                del self._shared[key]


class _Shared:
    """One turn and all that came of it; read by one task, followed by any number."""

    def __init__(self, digest: str, source: AsyncGenerator[_Batch, None], began_at: float) -> None:
        self.digest = digest
        self.began_at = began_at
        self.ended_at: float | None = None
        self.is_open = True  # to be joined
        self._source = source
        self._batches: list[_Batch] = []
        self._error: Exception | None = None
        self._news = asyncio.Condition()
        self._furthest = 0  # batch that any follower has taken
        self._followers = 0
        self._reader: asyncio.Task[None] | None = None

    async def follow(self) -> AsyncGenerator[_Batch, None]:
        """Yield every batch from the first one on; the last follower to leave ends the turn."""
        if self._reader is None:
            self._reader = asyncio.get_running_loop().create_task(self._read())
        self._followers += 1
        seen = 0
        try:
            while await self._has_batch(seen):
                yield self._batches[seen]
                seen += 1
        finally:
            self._followers -= 1
            if not self._followers:
                await self._leave()
        if self._error is not None:
            raise self._error

    async def _has_batch(self, seen: int) -> bool:
        """Wait for the batch after those seen; return whether there is one."""
        async with self._news:
            if seen > self._furthest:
                self._furthest = seen
                self._news.notify_all()
            await self._news.wait_for(
                lambda: seen < len(self._batches) or self.ended_at is not None
            )
        return seen < len(self._batches)

    async def _leave(self) -> None:
        """End the turn, unless it has ended: nobody follows it any more."""
        if self._reader is not None and self.ended_at is None:
            self.is_open = False
            self._reader.cancel()
            await asyncio.wait({self._reader})

    async def _read(self) -> None:
        try:
            async with aclosing(self._source):
                async for batch in self._source:
                    await self._take(batch)
        except Exception as error:  # noqa: BLE001 - whatever it is, each follower raises it
            self._error = error
            self.is_open = False
        finally:
            self.ended_at = asyncio.get_running_loop().time()
            async with self._news:
                self._news.notify_all()

    async def _take(self, batch: _Batch) -> None:
        last = batch[-1] if batch else None
        if isinstance(last, TurnEnded) and last.failure is not None:
            self.is_open = False
        async with self._news:
            self._batches.append(batch)
            self._news.notify_all()
            await self._news.wait_for(lambda: len(self._batches) - self._furthest < MAX_AHEAD)


def _digest(request: ChatRequest) -> str:
    """Return what is the same for two requests that only differ in when and how they came."""
    content = structs.replace(
        request,
        request_id="",
        received_at=0.0,
        public_url="",
        idempotency_key="",
        is_stream=False,
        is_usage_wanted=False,
    )
    return hashlib.sha256(repr(content).encode("utf-8", "surrogatepass")).hexdigest()
