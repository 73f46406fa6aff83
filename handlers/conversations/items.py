"""`/v1/conversations/{id}/items`: the items of a conversation, listed, added and deleted (spec 18)."""

from typing import Any

from aiohttp import web

from handlers.background.kept import kept_conversations
from handlers.conversations.changes import changed, checked_items, conversation_of
from handlers.conversations.conversations import shown
from handlers.conversations.fields import new_items
from handlers.edge.headers import credential_of
from handlers.edge.json_replies import json_response
from handlers.reading.json_body import quoted, read_body
from handlers.reading.paging import in_order, page_of
from service.answers.conversations import ConversationItemList
from service.keys import ACCEPTANCE, CONFIG
from service.vocabulary.errors import NotFoundError

DEFAULT_PAGE, MAX_PAGE = 20, 100  # OpenAI's own


async def list_conversation_items(request: web.Request) -> web.Response:
    """Answer with a page of a conversation's items, the last item first.

    Raises:
        AuthError: the credential is missing.
        NotFoundError: the caller has no such conversation.
        RequestError: a parameter is wrong.
    """
    conversation = await conversation_of(request)
    items = in_order(conversation.items[::-1], request.query)
    page = page_of(items, _id_of, request.query, DEFAULT_PAGE, MAX_PAGE)
    return json_response(
        ConversationItemList(page.data, page.first_id, page.last_id, page.has_more)
    )


async def add_conversation_items(request: web.Request) -> web.Response:
    """Answer with the items that were added to a conversation.

    Raises:
        AuthError: the credential is missing, or the upstream does not accept it.
        NotFoundError: the caller has no such conversation.
        RequestError: an item is wrong, or the conversation is full.
    """
    app = request.app
    await app[ACCEPTANCE].confirm(credential_of(request))
    given = new_items(await read_body(request, app[CONFIG].server.max_body_bytes))
    items = await checked_items(request, given)
    async with changed(request) as change:
        longer = change.now.with_items([*change.now.items, *items])
        kept_conversations(app).check_size(longer)
        change.now = longer
    return json_response(
        ConversationItemList(items, _id_of(items[0]), _id_of(items[-1]), has_more=False)
    )


async def get_conversation_item(request: web.Request) -> web.Response:
    """Answer with one item.

    Raises:
        AuthError: the credential is missing.
        NotFoundError: the caller has no such conversation, or it has no such item.
    """
    item_id = request.match_info["item_id"]
    for item in (await conversation_of(request)).items:
        if _id_of(item) == item_id:
            return json_response(item)
    raise _unknown(item_id)


async def delete_conversation_item(request: web.Request) -> web.Response:
    """Delete one item, and answer with the conversation.

    Raises:
        AuthError: the credential is missing.
        NotFoundError: the caller has no such conversation, or it has no such item.
    """
    item_id = request.match_info["item_id"]
    async with changed(request) as change:
        left = [item for item in change.now.items if _id_of(item) != item_id]
        if len(left) == len(change.now.items):
            raise _unknown(item_id)
        change.now = change.now.with_items(left)
    return json_response(shown(change.now))


def _id_of(item: dict[str, Any]) -> str:
    return str(item["id"])


def _unknown(item_id: str) -> NotFoundError:
    return NotFoundError(f"Item with id {quoted(item_id)} not found.", param="item_id")
