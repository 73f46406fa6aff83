"""Reads the JSON body of a request for a response, or refuses it with a 400 (openai-wire 8)."""

from typing import Any

from msgspec import structs

from handlers.reading.common_fields import (
    Arrival,
    check_ranges,
    chosen_profile,
    ignored_names,
    model_name,
)
from handlers.reading.json_body import decode_json, given_names, quoted, refusal
from handlers.reading.wish_fields import is_much
from handlers.responses.demand_fields import WireDemand, demand_of, echoed_text
from handlers.responses.items import check_native, input_messages
from handlers.responses.tools import echoed_tool
from handlers.responses.wishes import WireWishes, wishes_of
from service.answers.responses import ModelResponse, NamedConversation
from service.demands.instructions import told_history
from service.vocabulary.requests import ChatMessage, ChatRequest, Profile, TextPart

MAX_METADATA_PAIRS, MAX_METADATA_KEY_CHARS, MAX_METADATA_VALUE_CHARS = 16, 64, 512  # OpenAI's own


ANY_MODEL = "gpt-4o"  # for counting, which is the same for all


class _Inert(WireWishes, frozen=True, kw_only=True):
    """Known fields without effect, or with effect on some upstreams only, declared for their types."""

    temperature: float | None = None
    top_p: float | None = None
    top_logprobs: int | None = None
    max_tool_calls: int | None = None
    user: str | None = None
    safety_identifier: str | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None


class ResponseFields(_Inert, frozen=True, kw_only=True):
    """The body of a request for a response, checked for its shape."""

    model: str | None = None
    input: str | list[dict[str, Any]] | None = None
    instructions: str | None = None
    previous_response_id: str | None = None
    stream: bool | None = None
    stream_options: dict[str, Any] | None = None
    store: bool | None = None
    background: bool | None = None
    metadata: dict[str, str] | None = None
    max_output_tokens: int | None = None
    truncation: str | None = None
    conversation: str | dict[str, Any] | None = None
    prompt: Any = None
    render_profile: str | None = None

    @property
    def is_kept(self) -> bool:
        """Whether the response is kept: yes, unless the caller says otherwise."""
        return self.store is not False


_INERT = frozenset(_Inert.__struct_fields__) - frozenset(WireDemand.__struct_fields__)
# Fields that the response object repeats unchanged; `begun_response` adds the others.
_ECHOED = (
    *("background", "frequency_penalty", "instructions", "max_output_tokens", "max_tool_calls"),
    *("metadata", "parallel_tool_calls", "presence_penalty", "previous_response_id"),
    *("prompt_cache_key", "safety_identifier", "service_tier", "store", "temperature"),
    *("tool_choice", "top_logprobs", "top_p", "truncation", "user"),
)
HONOURED = frozenset(ResponseFields.__struct_fields__) - _INERT
_NATIVE = frozenset(WireWishes.__struct_fields__)  # honoured by an upstream that knows them itself


def response_fields(body: bytes) -> ResponseFields:
    """Return the fields of a body.

    Raises:
        RequestError: it is not JSON, a field is wrong, or it asks for something unsupported.
    """
    fields = decode_json(body, ResponseFields)
    _refuse_unsupported(fields)
    check_metadata(fields.metadata or {})
    if not fields.input:
        raise refusal("input", "this field is required; send a string or a list of items")
    if fields.max_output_tokens is not None and fields.max_output_tokens < 1:
        raise refusal("max_output_tokens", "expected 1 or more")
    return fields


class TokenFields(ResponseFields, frozen=True, kw_only=True):
    """The body of a request to count an input; fields of no length are accepted and not read."""


COUNTED = frozenset(
    {
        *("conversation", "input", "instructions", "previous_response_id"),
        *("text", "tool_choice", "tools"),
    }
)


def token_fields(body: bytes) -> TokenFields:
    """Return the fields of a body to count.

    Raises:
        RequestError: it is not JSON, or a field is wrong.
    """
    fields = decode_json(body, TokenFields)
    _refuse_unsupported(fields)
    return structs.replace(fields, model=fields.model or ANY_MODEL)


class CompactFields(WireWishes, frozen=True, kw_only=True):
    """The body of a request to compact a conversation."""

    model: str | None = None
    input: str | list[dict[str, Any]] | None = None
    instructions: str | None = None
    previous_response_id: str | None = None
    stream: bool | None = None


COMPACTED = frozenset(("model", "input", "instructions", "previous_response_id"))
# What Codex's back end is told besides (codex 2.1).
COMPACTED_NATIVELY = COMPACTED | {
    *("tools", "parallel_tool_calls", "reasoning", "text", "prompt_cache_key")
}


def compact_fields(body: bytes, *, is_native: bool) -> ResponseFields:
    """Return the fields of a body that have an effect.

    Raises:
        RequestError: it is not JSON, a field is wrong, or it asks for a stream.
    """
    sent = decode_json(body, CompactFields)
    if sent.stream:
        raise refusal("stream", "a compaction is answered in one piece; leave 'stream' out")
    names = COMPACTED_NATIVELY if is_native else COMPACTED
    return ResponseFields(**{name: getattr(sent, name) for name in names})


def ignored_fields(
    body: bytes, fields: ResponseFields, *, is_native: bool = False
) -> tuple[str, ...]:
    """Return the names of the fields that were given and have no effect."""
    inert = {"truncation"} if fields.truncation == "auto" else set()
    much = {"reasoning"} if is_much(wishes_of(fields).effort) else set()
    honoured = HONOURED | (_NATIVE if is_native else much)
    return ignored_names(given_names(body), honoured - inert)


def named_conversation(fields: ResponseFields) -> str:
    """Return the id of the conversation that the response is to be part of; empty for none.

    Raises:
        RequestError: it has another form.
    """
    match fields.conversation:
        case None:
            return ""
        case str(name) | {"id": str(name)} if name:
            return name
        case _:
            raise refusal("conversation", "expected the id of a conversation, or {'id': …}")


def asked_model(fields: ResponseFields, previous: str | None) -> str:
    """Return the model asked for, else that of the previous response.

    Raises:
        RequestError: there is neither, or it cannot be the name of a model.
    """
    if fields.model is None and previous is not None:
        return previous
    if fields.model is None:
        raise refusal("model", "this field is required; send the name of a model, such as 'gpt-4o'")
    return model_name(fields.model)


def response_chat(
    fields: ResponseFields, items: list[dict[str, Any]], arrival: Arrival, model: str
) -> ChatRequest:
    """Return the turn that answers the input alone, with the instructions before it.

    Args:
        fields: the request's.
        items: its input, references resolved.
        arrival: of the request.
        model: the name asked for.

    Raises:
        RequestError: an item or the profile is wrong.
    """
    messages = input_messages(items, "input")
    if not arrival.is_native:
        check_native(messages)
    if items and not told_history(messages):
        raise refusal("input", "it holds nothing to answer; send at least one message")
    if fields.instructions:
        messages = (ChatMessage("system", (TextPart(fields.instructions),)), *messages)
    return ChatRequest(
        request_id=arrival.request_id,
        model=model,
        messages=messages,
        is_stream=bool(fields.stream),
        is_usage_wanted=True,
        profile=chosen_profile(fields.render_profile, _with_items(arrival)),
        public_url=arrival.public_url,
        received_at=arrival.received_at,
        idempotency_key=arrival.idempotency_key,
        max_tokens=fields.max_output_tokens,
        demand=demand_of(fields, items, is_native=arrival.is_native),
        wishes=wishes_of(fields),
        needs_copies=True,  # the response contains its pictures
    )


def _with_items(arrival: Arrival) -> Arrival:
    """Return the arrival with a default profile that shows items, unless the server's is `bot`."""
    if arrival.default_profile is Profile.BOT:
        return arrival
    return structs.replace(arrival, default_profile=Profile.ITEMS)


def begun_response(
    fields: ResponseFields, response_id: str, model: str, created_at: int
) -> ModelResponse:
    """Return the response object before anything has arrived, with the repeated request fields."""
    given = {name: getattr(fields, name) for name in _ECHOED}
    conversation = named_conversation(fields)
    return ModelResponse(
        id=response_id,
        conversation=NamedConversation(conversation) if conversation else None,
        model=model,
        created_at=created_at,
        reasoning={"effort": None, "summary": None, **(fields.reasoning or {})},
        text=echoed_text(fields.text or {}),
        tools=[echoed_tool(tool) for tool in fields.tools or ()],
        **{name: value for name, value in given.items() if value is not None},
    )


def _refuse_unsupported(fields: ResponseFields) -> None:
    """Refuse fields that must not be ignored, because the caller would misread the answer."""
    check_ranges(fields)
    if fields.background and not fields.is_kept:
        problem = "a response in the background has to be kept; leave 'store' out"
        raise refusal("background", problem)
    if named_conversation(fields) and fields.previous_response_id:
        problem = "a response goes on from one or the other; leave 'previous_response_id' out"
        raise refusal("conversation", problem)
    if fields.prompt is not None:
        raise refusal("prompt", "prompt templates are not available; send 'instructions'")
    if fields.truncation not in (None, "auto", "disabled"):
        raise refusal("truncation", f"{quoted(fields.truncation)} is neither 'auto' nor 'disabled'")


def check_metadata(metadata: dict[str, str]) -> None:
    """Raise a RequestError if there are more pairs, or longer ones, than OpenAI allows."""
    if len(metadata) > MAX_METADATA_PAIRS:
        raise refusal("metadata", f"expected up to {MAX_METADATA_PAIRS} pairs")
    for key, value in metadata.items():
        if len(key) > MAX_METADATA_KEY_CHARS or len(value) > MAX_METADATA_VALUE_CHARS:
            problem = (
                f"expected keys of up to {MAX_METADATA_KEY_CHARS} characters and values of up to "
                f"{MAX_METADATA_VALUE_CHARS}"
            )
            raise refusal("metadata", problem)
