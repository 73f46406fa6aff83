"""`POST /v1/responses/input_tokens`: counted here, without a turn (spec 18)."""

import asyncio

from aiohttp import web

from handlers.edge.arrivals import arrival_of
from handlers.edge.headers import credential_of
from handlers.edge.json_replies import json_response
from handlers.reading.json_body import read_body
from handlers.responses.fields import token_fields
from handlers.responses.input import Reading, read_input
from service.answers.responses import InputTokenCount
from service.demands.instructions import instructed
from service.keys import CONFIG
from service.pipeline.request_tokens import tokens_of_function, tokens_of_messages
from service.pipeline.usage import loaded_encoding
from service.random_ids import random_hex
from service.vocabulary.requests import ChatRequest

_ID_BYTES = 24


async def count_input_tokens(request: web.Request) -> web.Response:
    """Answer how many tokens an input has, with all that it goes on from.

    Raises:
        ServiceError: the request is wrong.
    """
    credential = credential_of(request)
    fields = token_fields(await read_body(request, request.app[CONFIG].server.max_body_bytes))
    arrival = arrival_of(request, credential)
    reading = Reading(arrival, credential, random_hex(_ID_BYTES), is_whole=True)
    given = await read_input(request.app, fields, reading)
    await loaded_encoding()
    counted = await asyncio.to_thread(_counted, given.chat, is_native=arrival.is_native)
    return json_response(InputTokenCount(counted))


def _counted(chat: ChatRequest, *, is_native: bool) -> int:
    """Count as the upstream is told: in words, or by functions of its own."""
    if not is_native:
        return tokens_of_messages(instructed(chat).messages)
    functions = chat.demand.functions if chat.demand else ()
    return tokens_of_messages(chat.messages) + sum(map(tokens_of_function, functions))
