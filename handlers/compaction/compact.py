"""`POST /v1/responses/compact`: items that stand for a long conversation (spec 14.3, 18).

Codex's back end makes them itself. On the website a turn sums the conversation up, and its summary,
encrypted, is the item.
"""

import time
from typing import Any

from aiohttp import web
from msgspec import structs

from handlers.answering.answers import Collected, answered, collected, overhead_header, usage_of
from handlers.edge.arrivals import arrival_of
from handlers.edge.headers import credential_of, reply_headers
from handlers.edge.json_replies import error_response, json_response
from handlers.edge.record import RECORD
from handlers.reading.common_fields import ignored_names
from handlers.reading.json_body import given_names, read_body, refusal
from handlers.responses.fields import COMPACTED, COMPACTED_NATIVELY, compact_fields
from handlers.responses.input import Reading, read_input
from handlers.responses.listed_items import input_items
from service.answers.responses import CompactedResponse
from service.keys import CONFIG, SEALER
from service.pipeline.usage import measure
from service.random_ids import random_hex
from service.stages.encode.gathered import Gathered
from service.stages.encode.response_output import RESPONSE_PREFIX
from service.stages.encode.responses import response_usage
from service.turns.summaries import SUMMARY_REQUEST, sealed_summary
from service.vocabulary.credentials import Credential
from service.vocabulary.errors import EmptyResponseError
from service.vocabulary.native import ToolItemEnded
from service.vocabulary.rendered import Rendered, TokenCounts
from service.vocabulary.requests import ChatMessage, ChatRequest, Profile, TextPart, Wishes

_ID_BYTES = 24
_OUTPUT = "o"  # apart from the ids of input items


class _Compacting:
    """The items of a compaction, as its turn makes them."""

    def __init__(self) -> None:
        self.gathered = Gathered()
        self.items: list[dict[str, Any]] = []

    def take(self, batch: list[Rendered]) -> None:
        self.gathered.feed_batch(batch)
        self.items += [piece.item for piece in batch if isinstance(piece, ToolItemEnded)]

    async def usage(self, chat: ChatRequest) -> TokenCounts:
        """Return the upstream's counts, else those of the history and of what is readable."""
        if self.gathered.usage is not None or not self.items:
            return await usage_of(chat, self.gathered)
        words = "\n".join(text for item in self.items for text in _texts(item))
        return await measure([message.text for message in chat.messages], words, "")


async def compact_response(request: web.Request) -> web.Response:
    """Answer with the items that stand for a conversation.

    Raises:
        ServiceError: the request is wrong, or the turn failed before its first event.
    """
    config, record, credential = request.app[CONFIG], request[RECORD], credential_of(request)
    body = await read_body(request, config.server.max_body_bytes)
    arrival, stem = arrival_of(request, credential), random_hex(_ID_BYTES)
    fields = compact_fields(body, is_native=arrival.is_native)
    given = await read_input(request.app, fields, Reading(arrival, credential, stem))
    if not given.chat.messages and given.chat.conversation_id is None:
        raise refusal("input", "there is nothing to compact; send items or 'previous_response_id'")
    known = COMPACTED_NATIVELY if arrival.is_native else COMPACTED
    ignored = ignored_names(given_names(body), known)
    told = _natively if arrival.is_native else _in_words
    record.chat = chat = structs.replace(told(given.chat), ignored_fields=ignored)
    making = _Compacting()
    sink = Collected(making.gathered, making.take)
    answering = answered(sink, request.app, record, chat, credential, is_flat=not arrival.is_native)
    waited = await collected(answering, making.gathered, record)
    ended = making.gathered.ended
    if ended is not None and ended.failure is not None:
        return error_response(ended.failure)
    items = making.items if arrival.is_native else [_summary(request, credential, making.gathered)]
    record.usage = await making.usage(chat)
    answer = CompactedResponse(
        id=f"{RESPONSE_PREFIX}{stem}",
        created_at=int(time.time()),
        output=input_items(items, f"{stem}{_OUTPUT}"),
        usage=response_usage(record.usage),
    )
    headers = reply_headers(
        ignored_fields=ignored, upstream_model=making.gathered.facts.upstream_model
    )
    return json_response(answer, headers=headers | overhead_header(request, waited))


def _natively(chat: ChatRequest) -> ChatRequest:
    return structs.replace(chat, is_stream=False, is_compaction=True)


def _in_words(chat: ChatRequest) -> ChatRequest:
    """Return the turn in which the model sums up what was said."""
    asked = ChatMessage("user", (TextPart(SUMMARY_REQUEST),))
    return structs.replace(
        chat,
        messages=(*chat.messages, asked),
        is_stream=False,
        profile=Profile.RAW,
        demand=None,
        wishes=Wishes(),
    )


def _summary(request: web.Request, credential: Credential, gathered: Gathered) -> dict[str, Any]:
    if not gathered.content.strip():
        raise EmptyResponseError("The upstream summed nothing up; please try again.")
    sealed = sealed_summary(request.app[SEALER], credential.owner, gathered.content)
    return {"type": "compaction", "encrypted_content": sealed}


def _texts(item: dict[str, Any]) -> list[str]:
    content = item.get("content")
    parts = content if isinstance(content, list) else []
    return [part["text"] for part in parts if isinstance(part, dict) and "text" in part]
