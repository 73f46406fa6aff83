"""What all calls of a conversation have in common: finding it, changing it, checking its items."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from handlers.background.kept import kept_conversations, kept_responses
from handlers.edge.headers import credential_of
from handlers.responses.history import History
from handlers.responses.input import kept_conversation, unknown_conversation
from handlers.responses.items import input_messages
from handlers.responses.listed_items import input_items
from handlers.responses.tools import all_tools
from service.random_ids import random_hex
from service.turns.kept_conversations import Change, KeptConversation

_ID_BYTES = 24


async def conversation_of(request: web.Request) -> KeptConversation:
    """Return the conversation that the path names.

    Raises:
        AuthError: the credential is missing.
        NotFoundError: the caller has no such conversation.
    """
    owner = credential_of(request).owner
    return await kept_conversation(request.app, owner, request.match_info["id"])


@asynccontextmanager
async def changed(request: web.Request) -> AsyncIterator[Change]:
    """Hold the conversation that the path names, and keep what the block makes of it.

    Raises:
        AuthError: the credential is missing.
        NotFoundError: the caller has no such conversation.
        LockTimeoutError: others are changing it all the time.
    """
    owner, conversation_id = credential_of(request).owner, request.match_info["id"]
    async with kept_conversations(request.app).changing(owner, conversation_id) as change:
        if change is None:
            raise unknown_conversation(conversation_id)
        yield change


async def checked_items(request: web.Request, given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return items as they are kept: each with an id, references replaced by what they name.

    Raises:
        RequestError: an item is wrong.
        NotFoundError: a reference names an item that is not kept.
    """
    owner = credential_of(request).owner
    listed = input_items(given, random_hex(_ID_BYTES))
    history = History(kept_responses(request.app), owner, is_sent_anew=True)
    items = await history.resolved(listed)
    input_messages(items, "items")
    all_tools(None, items)
    return items
