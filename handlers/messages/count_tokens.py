"""`POST /v1/messages/count_tokens`: counted here, without a turn (anthropic-wire 5)."""

import asyncio
from collections.abc import Iterator

from aiohttp import web

from handlers.edge.headers import credential_of
from handlers.edge.json_replies import json_response
from handlers.messages.fields import TokenFields, read_fields
from handlers.reading.json_body import decode_json, read_body
from service.answers.messages import CountedTokens
from service.keys import CONFIG
from service.pipeline.request_tokens import tokens_of_function, tokens_of_part
from service.pipeline.usage import count, loaded_encoding
from service.vocabulary.requests import SealedPart

MESSAGE_TOKENS = 3
_THOUGHTS = ("thinking", "redacted_thinking")


async def count_tokens(request: web.Request) -> web.Response:
    """Answer how many tokens a message would send.

    Raises:
        ServiceError: the request is wrong.
    """
    credential_of(request)
    body = await read_body(request, request.app[CONFIG].server.max_body_bytes)
    await loaded_encoding()
    return json_response(CountedTokens(await asyncio.to_thread(_counted, body)))


def _counted(body: bytes) -> int:
    """Count a body, which takes some milliseconds a hundred kilobytes.

    Raises:
        RequestError: it is wrong.
    """
    fields = decode_json(body, TokenFields)
    messages, tools = read_fields(fields)
    tokens = sum(count(text) for text in _thoughts(fields))
    for message in messages:
        tokens += MESSAGE_TOKENS
        # Thoughts are counted by their words, also where they are not sent again.
        parts = (part for part in message.parts if not isinstance(part, SealedPart))
        tokens += sum(tokens_of_part(part) for part in parts)
    return tokens + sum(tokens_of_function(tool) for tool in tools.functions)


def _thoughts(fields: TokenFields) -> Iterator[str]:
    """Yield the thoughts of earlier turns, which count for their caller though none is sent again."""
    for message in fields.messages:
        for block in message.content if isinstance(message.content, list) else ():
            if block.get("type") in _THOUGHTS:
                yield str(block.get("thinking", ""))
