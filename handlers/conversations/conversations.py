"""`/v1/conversations`: made, read, changed and deleted (spec 18).

A conversation exists for its owner only.
"""

import time

from aiohttp import web
from msgspec import structs

from handlers.background.kept import kept_conversations
from handlers.conversations.changes import changed, checked_items, conversation_of
from handlers.conversations.fields import conversation_fields, new_metadata
from handlers.edge.headers import credential_of
from handlers.edge.json_replies import json_response
from handlers.reading.json_body import read_body
from handlers.responses.input import unknown_conversation
from service.answers.conversations import Conversation, DeletedConversation
from service.keys import ACCEPTANCE, CONFIG
from service.random_ids import random_hex
from service.turns.kept_conversations import KeptConversation
from service.vocabulary.errors import StorageError

_PREFIX = "conv_"
_ID_BYTES = 24


async def create_conversation(request: web.Request) -> web.Response:
    """Answer with a new conversation.

    Raises:
        AuthError: the credential is missing, or the upstream does not accept it.
        RequestError: a field is wrong, or the items are too much to keep.
        StorageError: it cannot be kept now.
    """
    app, credential = request.app, credential_of(request)
    await app[ACCEPTANCE].confirm(credential)
    fields = conversation_fields(await read_body(request, app[CONFIG].server.max_body_bytes))
    items = await checked_items(request, fields.items or [])
    conversation = KeptConversation(
        id=f"{_PREFIX}{random_hex(_ID_BYTES)}",
        created_at=int(time.time()),
        metadata=fields.metadata or {},
        items=items,
    )
    kept = kept_conversations(app)
    kept.check_size(conversation)
    if not await kept.keep(credential.owner, conversation):
        raise StorageError("The conversation cannot be kept now; please try again shortly.")
    return json_response(shown(conversation))


async def get_conversation(request: web.Request) -> web.Response:
    """Answer with a conversation.

    Raises:
        AuthError: the credential is missing.
        NotFoundError: the caller has no such conversation.
    """
    return json_response(shown(await conversation_of(request)))


async def update_conversation(request: web.Request) -> web.Response:
    """Answer with a conversation whose metadata has been replaced.

    Raises:
        AuthError: the credential is missing, or the upstream does not accept it.
        NotFoundError: the caller has no such conversation.
        RequestError: the metadata is missing or wrong.
    """
    app = request.app
    await app[ACCEPTANCE].confirm(credential_of(request))
    metadata = new_metadata(await read_body(request, app[CONFIG].server.max_body_bytes))
    async with changed(request) as change:
        change.now = structs.replace(change.now, metadata=metadata)
    return json_response(shown(change.now))


async def delete_conversation(request: web.Request) -> web.Response:
    """Delete a conversation; responses that were part of it stay.

    Raises:
        AuthError: the credential is missing.
        NotFoundError: the caller has no such conversation.
    """
    conversation_id = request.match_info["id"]
    kept = kept_conversations(request.app)
    if not await kept.delete(credential_of(request).owner, conversation_id):
        raise unknown_conversation(conversation_id)
    return json_response(DeletedConversation(conversation_id))


def shown(conversation: KeptConversation) -> Conversation:
    """Return a conversation as its owner sees it."""
    return Conversation(conversation.id, conversation.created_at, conversation.metadata)
