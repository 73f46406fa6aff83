"""Reads what a response is asked for into a turn, with what it goes on from."""

from typing import Any

from aiohttp import web
from msgspec import Struct

from handlers.background.kept import kept_conversations, kept_responses
from handlers.reading.common_fields import Arrival
from handlers.reading.demand_fields import checked
from handlers.reading.json_body import quoted
from handlers.responses.fields import ResponseFields, asked_model, named_conversation, response_chat
from handlers.responses.history import History
from handlers.responses.listed_items import input_items
from service.keys import CONFIG, SEALER
from service.turns.kept_conversations import KeptConversation
from service.turns.summaries import with_summaries
from service.vocabulary.credentials import Credential
from service.vocabulary.errors import NotFoundError
from service.vocabulary.requests import ChatRequest


class Input(Struct, frozen=True):
    """The input of a response: its items, the turn, and the conversation that it is part of."""

    items: list[dict[str, Any]]
    chat: ChatRequest
    conversation: KeptConversation | None


class Reading(Struct, frozen=True):
    """Who asks and when, the base of ids for items, and whether the whole history is wanted."""

    arrival: Arrival
    credential: Credential
    stem: str
    is_whole: bool = False


async def read_input(app: web.Application, fields: ResponseFields, reading: Reading) -> Input:
    """Return the input of a response.

    Raises:
        RequestError: a field is wrong, or there is nothing to go on from.
        NotFoundError: the caller has no such response, conversation or item.
    """
    arrival, owner, settings = reading.arrival, reading.credential.owner, app[CONFIG].conversation
    is_sent_anew = (
        *(arrival.is_native, settings.temporary, settings.delete_after_response),
        reading.is_whole,
    )
    history = History(kept_responses(app), owner, is_sent_anew=any(is_sent_anew))
    items = await history.resolved(input_items(fields.input or [], reading.stem))
    previous = conversation = None
    if fields.previous_response_id:
        previous = await history.previous(fields.previous_response_id)
    if name := named_conversation(fields):
        conversation = await kept_conversation(app, owner, name)
        longer = conversation.with_items([*conversation.items, *items])
        kept_conversations(app).check_size(longer)
    model = asked_model(fields, previous.response["model"] if previous else None)
    chat = await checked(response_chat(fields, items, arrival, model), is_native=arrival.is_native)
    if previous is not None:
        chat = await history.continued(chat, previous)
    if conversation is not None:
        chat = history.in_conversation(chat, conversation)
    chat = with_summaries(chat, app[SEALER], owner, is_native=arrival.is_native)
    return Input(items, chat, conversation)


async def kept_conversation(
    app: web.Application, owner: str, conversation_id: str
) -> KeptConversation:
    """Return the owner's conversation of this id.

    Raises:
        NotFoundError: there is none.
    """
    found = await kept_conversations(app).find(owner, conversation_id)
    if found is None:
        raise unknown_conversation(conversation_id)
    return found


def unknown_conversation(conversation_id: str) -> NotFoundError:
    """Return the error for a conversation that the caller does not have."""
    message = f"Conversation with id {quoted(conversation_id)} not found."
    return NotFoundError(message, param="conversation")
