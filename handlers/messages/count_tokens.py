"""`POST /v1/messages/count_tokens`: counted here, without a turn (anthropic-wire 5)."""

import asyncio
import json
from collections.abc import Iterator

from aiohttp import web

from handlers.edge.headers import credential_of
from handlers.edge.json_replies import json_response
from handlers.messages.blocks import PICTURES
from handlers.messages.fields import TokenFields, read_fields
from handlers.reading.json_body import decode_json, read_body
from service.answers.messages import CountedTokens
from service.keys import CONFIG
from service.pipeline.usage import count, loaded_encoding
from service.vocabulary.requests import CallPart, FilePart, Part, ResultPart, TextPart

PICTURE_TOKENS = 765  # what a picture of a screen costs, at 170 for each of four tiles and 85
FILE_TOKENS = 1_500  # of one page; how many there are is seen by the upstream only
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
        tokens += sum(_of_part(part) for part in message.parts)
    for tool in tools.functions:
        shown = json.dumps(tool.parameters, ensure_ascii=False)
        tokens += count(f"{tool.name} {tool.description} {shown}")
    return tokens


def _of_part(part: Part) -> int:
    match part:
        case TextPart(text):
            return count(text)
        case FilePart():
            return _of_file(part)
        case CallPart():
            return count(f"{part.name} {part.arguments}")
        case ResultPart():
            return sum(_of_part(each) for each in part.content)
        case _:
            return 0  # thoughts are counted by their words


def _of_file(file: FilePart) -> int:
    is_picture = file.data_url.startswith(tuple(f"data:{kind}" for kind in PICTURES))
    return PICTURE_TOKENS if is_picture or file.url else FILE_TOKENS


def _thoughts(fields: TokenFields) -> Iterator[str]:
    """Yield what was thought before, which counts for its caller though it is not sent again."""
    for message in fields.messages:
        for block in message.content if isinstance(message.content, list) else ():
            if block.get("type") in _THOUGHTS:
                yield str(block.get("thinking", ""))
