"""Reads a chat completion's JSON body into a `ChatRequest`, or answers a 400 (spec 6.1)."""

from typing import Any

from msgspec import Struct

from handlers.reading.chat_messages import WireMessage, chat_messages
from handlers.reading.common_fields import (
    Arrival,
    check_ranges,
    chosen_profile,
    ignored_names,
    model_name,
    stop_strings,
    upstream_id,
)
from handlers.reading.demand_fields import WireDemand, demand_of
from handlers.reading.json_body import decode_json, given_names, refusal
from handlers.reading.wish_fields import WireWishes, is_much, wishes_of
from service.vocabulary.requests import ChatRequest, Wishes


class _StreamOptions(Struct, frozen=True):
    include_usage: bool | None = None


class _Inert(WireWishes, frozen=True, kw_only=True):
    """Known fields without effect, or with effect on some upstreams only, declared for their types."""

    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    store: bool | None = None
    user: str | None = None
    metadata: dict[str, Any] | None = None


class ChatFields(_Inert, frozen=True, kw_only=True):
    """The body of a request for a chat completion, checked for its shape."""

    model: str
    messages: list[WireMessage]
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    stop: str | list[str] | None = None
    n: int | None = None
    modalities: list[str] | None = None
    audio: Any = None
    conversation_id: str | None = None
    parent_message_id: str | None = None
    render_profile: str | None = None


HONOURED = frozenset(ChatFields.__struct_fields__) - frozenset(
    _Inert.__struct_fields__
) | frozenset(WireDemand.__struct_fields__)
# Honoured by an upstream that knows them itself, by the website, and by it if much effort is asked for.
_HONOURED_NATIVELY = HONOURED | frozenset(WireWishes.__struct_fields__)
_HONOURED_HERE = HONOURED | {"web_search_options"}
_HONOURED_WITH_EFFORT = _HONOURED_HERE | {"reasoning_effort"}


def chat_request(body: bytes, arrival: Arrival) -> ChatRequest:
    """Return the chat completion that a body asks for.

    Raises:
        RequestError: it is not JSON, a field is wrong, or it asks for something unsupported.
    """
    fields = decode_json(body, ChatFields)
    _refuse_unsupported(fields)
    if not fields.messages:
        raise refusal("messages", "the list is empty; send at least one message")
    options, wishes = fields.stream_options, wishes_of(fields)
    return ChatRequest(
        request_id=arrival.request_id,
        model=model_name(fields.model),
        messages=chat_messages(fields.messages),
        is_stream=bool(fields.stream),
        is_usage_wanted=bool(options and options.include_usage),
        profile=chosen_profile(fields.render_profile, arrival),
        public_url=arrival.public_url,
        received_at=arrival.received_at,
        idempotency_key=arrival.idempotency_key,
        max_tokens=_max_tokens(fields),
        stop=stop_strings(fields.stop),
        conversation_id=upstream_id("conversation_id", fields.conversation_id),
        parent_message_id=upstream_id("parent_message_id", fields.parent_message_id),
        ignored_fields=ignored_names(given_names(body), _honoured(wishes, arrival)),
        demand=demand_of(fields),
        wishes=wishes,
    )


def _honoured(wishes: Wishes, arrival: Arrival) -> frozenset[str]:
    """Return the fields that have an effect with the upstream of this request."""
    if arrival.is_native:
        return _HONOURED_NATIVELY
    return _HONOURED_WITH_EFFORT if is_much(wishes.effort) else _HONOURED_HERE


def _refuse_unsupported(fields: ChatFields) -> None:
    """Refuse fields that must not be ignored, because the caller would misread the answer."""
    check_ranges(fields)
    if fields.n not in (None, 1):
        raise refusal("n", "only 1 choice for a request can be made; leave it out or send 1")
    if "audio" in (fields.modalities or ()):
        raise refusal("modalities", "audio output is not available; use ['text']")
    if fields.audio is not None:
        raise refusal("audio", "audio output is not available; leave it out")


def _max_tokens(fields: ChatFields) -> int | None:
    if fields.max_tokens is None and fields.max_completion_tokens is None:
        return None
    for name in ("max_tokens", "max_completion_tokens"):
        if (limit := getattr(fields, name)) is not None and limit < 1:
            raise refusal(name, "expected 1 or more")
    limits = (fields.max_tokens, fields.max_completion_tokens)
    return min(limit for limit in limits if limit is not None)
