"""Conversations that are kept: items in order, which turns and callers append to.

A conversation is one value. Each change of it reads and writes that value under its lock, so that
two processes lose nothing of each other's.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from msgspec import Struct, structs

from service.turns.kept_responses import with_sealed
from service.turns.kept_values import KeptValues, decoded
from service.vocabulary.errors import RequestError
from service.vocabulary.wire import to_json

CONVERSATION = "conversation"  # its kind among the kept values
_LOCK_SECONDS = 15.0  # after which the lock of a dead process is free
_WAIT_SECONDS = 10.0


class KeptConversation(Struct, frozen=True):
    """A conversation; `created_at` in seconds since 1970.

    `conversation_id` and `message_id` name its place at the upstream, while the upstream has all of
    its items; `sealed` and `cache_key` are as in `KeptResponse`.
    """

    id: str
    created_at: int
    metadata: dict[str, str] = {}
    items: list[dict[str, Any]] = []
    conversation_id: str | None = None
    message_id: str | None = None
    sealed: dict[str, str] = {}
    cache_key: str = ""

    @property
    def whole_items(self) -> list[dict[str, Any]]:
        """The items with what is sealed, as they go back upstream."""
        return with_sealed(self.items, self.sealed)

    def with_items(self, items: list[dict[str, Any]]) -> "KeptConversation":
        """Return it with other items, which the upstream does not know of."""
        ids = {item["id"] for item in items}
        sealed = {name: value for name, value in self.sealed.items() if name in ids}
        return structs.replace(
            self, items=items, sealed=sealed, conversation_id=None, message_id=None
        )


class Change:
    """A conversation while its lock is held; `now` is written at the end if it was replaced."""

    def __init__(self, before: KeptConversation) -> None:
        self.now = before


class KeptConversations:
    """The conversations of all owners."""

    def __init__(self, values: KeptValues) -> None:
        self._values = values

    def check_size(self, conversation: KeptConversation) -> None:
        """Raise a RequestError if a conversation is too large to be added to."""
        if not self._values.fits(_encoded(conversation)):
            message = "This conversation is over the limit of what is kept; begin a new one."
            raise RequestError(message, param="conversation", code="conversation_full")

    async def keep(self, owner: str, conversation: KeptConversation) -> bool:
        """Keep a conversation, whatever its size; return whether the store has accepted it."""
        value = _encoded(conversation)
        return await self._values.keep(CONVERSATION, owner, conversation.id, value)

    async def find(self, owner: str, conversation_id: str) -> KeptConversation | None:
        """Return the owner's conversation of this id, or None; the id is untrusted."""
        value = await self._values.find(CONVERSATION, owner, conversation_id)
        return None if value is None else decoded(value, KeptConversation)

    async def delete(self, owner: str, conversation_id: str) -> bool:
        """Delete the owner's conversation of this id; return whether there was one."""
        return await self._values.delete(CONVERSATION, owner, conversation_id)

    @asynccontextmanager
    async def changing(self, owner: str, conversation_id: str) -> AsyncIterator[Change | None]:
        """Hold a conversation's lock for the block, and keep what the block made of it.

        Yields None if the owner has no such conversation.

        Raises:
            LockTimeoutError: the lock could not be had.
        """
        if await self.find(owner, conversation_id) is None:  # before its id names a lock
            yield None
            return
        lock = self._values.lock(CONVERSATION, owner, conversation_id, _LOCK_SECONDS, _WAIT_SECONDS)
        async with lock:
            before = await self.find(owner, conversation_id)
            change = None if before is None else Change(before)
            yield change
            if change is not None and change.now is not before:
                await self.keep(owner, change.now)


def _encoded(conversation: KeptConversation) -> bytes:
    return to_json(structs.asdict(conversation))
