"""Reads what a response is asked for into a turn, with what it goes on from."""

from typing import Any

from aiohttp import web
from msgspec import Struct

from handlers.reading.common_fields import Arrival
from handlers.reading.demand_fields import checked
from handlers.responses.fields import ResponseFields, asked_model, response_chat
from handlers.responses.history import History, kept_responses
from handlers.responses.listed_items import input_items
from service.keys import CONFIG, SEALER
from service.turns.summaries import with_summaries
from service.vocabulary.credentials import Credential
from service.vocabulary.requests import ChatRequest


class Input(Struct, frozen=True):
    """The input of a response: its items, and the turn."""

    items: list[dict[str, Any]]
    chat: ChatRequest


class Reading(Struct, frozen=True):
    """Who asks and when, and the base of ids for items."""

    arrival: Arrival
    credential: Credential
    stem: str


async def read_input(app: web.Application, fields: ResponseFields, reading: Reading) -> Input:
    """Return the input of a response.

    Raises:
        RequestError: a field is wrong, or there is nothing to go on from.
        NotFoundError: the caller has no such response or item.
    """
    arrival, owner, settings = reading.arrival, reading.credential.owner, app[CONFIG].conversation
    is_sent_anew = arrival.is_native or settings.temporary or settings.delete_after_response
    history = History(kept_responses(app), owner, is_sent_anew=is_sent_anew)
    items = await history.resolved(input_items(fields.input or [], reading.stem))
    previous = None
    if fields.previous_response_id:
        previous = await history.previous(fields.previous_response_id)
    model = asked_model(fields, previous.response["model"] if previous else None)
    chat = await checked(response_chat(fields, items, arrival, model), is_native=arrival.is_native)
    if previous is not None:
        chat = await history.continued(chat, previous)
    chat = with_summaries(chat, app[SEALER], owner, is_native=arrival.is_native)
    return Input(items, chat)
