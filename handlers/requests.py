"""A request's JSON body -> `service.chat.ChatRequest`, or a 400 (spec 6.1, openai-wire 5)."""

import re
from collections.abc import Container, Iterable
from typing import Any

from msgspec import Struct

from handlers.chat_messages import WireMessage, chat_messages
from handlers.demands import WireDemand, demand_of
from handlers.json_body import decode_json, given_names, quoted, refusal
from service.chat import ChatRequest, Profile

PROFILE_HEADER = "x-render-profile"
MAX_MODEL_CHARS = 255
MAX_STOPS = 16
MAX_STOP_CHARS = 512  # a possible beginning of one is looked for at the end of every piece
MAX_NAMED_FIELDS = 32  # in the header that names the ignored ones

UPSTREAM_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")  # becomes part of a path upstream
_FIELD_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class _StreamOptions(Struct, frozen=True):
    include_usage: bool | None = None


class _Inert(WireDemand, frozen=True, kw_only=True):
    """Known fields that have no effect, for their types."""

    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    logit_bias: dict[str, float] | None = None
    top_logprobs: int | None = None
    store: bool | None = None
    user: str | None = None
    service_tier: str | None = None
    reasoning_effort: str | None = None
    verbosity: str | None = None
    metadata: dict[str, Any] | None = None


class ChatFields(_Inert, frozen=True, kw_only=True):
    """The body of a request for a chat completion, its shape checked."""

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
    logprobs: bool | None = None
    conversation_id: str | None = None
    parent_message_id: str | None = None
    render_profile: str | None = None


HONOURED = frozenset(ChatFields.__struct_fields__) - frozenset(
    _Inert.__struct_fields__
) | frozenset(WireDemand.__struct_fields__)


class Arrival(Struct, frozen=True):
    """What is known of a request besides its body; `received_at` as in `ChatRequest`."""

    request_id: str
    received_at: float
    public_url: str
    default_profile: Profile
    profile_header: str | None = None
    idempotency_key: str = ""


def chat_request(body: bytes, arrival: Arrival) -> ChatRequest:
    """Return a chat completion as asked for.

    Raises:
        RequestError: it is no JSON, a field is wrong, or it asks for what cannot be had.
    """
    fields = decode_json(body, ChatFields)
    _refuse_unsupported(fields)
    if not fields.messages:
        raise refusal("messages", "the list is empty; send at least one message")
    options = fields.stream_options
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
        ignored_fields=ignored_names(given_names(body), HONOURED),
        demand=demand_of(fields),
    )


def _refuse_unsupported(fields: ChatFields) -> None:
    """Refuse what would be wrong to ignore: the caller would misread the answer."""
    if fields.n not in (None, 1):
        raise refusal("n", "only 1 choice for a request can be made; leave it out or send 1")
    if fields.logprobs:
        raise refusal("logprobs", "log probabilities are not available; leave it out")
    if "audio" in (fields.modalities or ()):
        raise refusal("modalities", "audio output is not available; use ['text']")
    if fields.audio is not None:
        raise refusal("audio", "audio output is not available; leave it out")


def _max_tokens(fields: ChatFields) -> int | None:
    given = {name: getattr(fields, name) for name in ("max_tokens", "max_completion_tokens")}
    limits = {name: limit for name, limit in given.items() if limit is not None}
    for name, limit in limits.items():
        if limit < 1:
            raise refusal(name, "expected 1 or more")
    return min(limits.values(), default=None)


def model_name(name: str) -> str:
    """Return the name of a model as it is asked for.

    Raises:
        RequestError: it cannot be one.
    """
    if not name.strip() or len(name) > MAX_MODEL_CHARS or not name.isprintable():
        raise refusal(
            "model", f"expected the name of a model, 1 to {MAX_MODEL_CHARS} characters long"
        )
    return name.strip()


def stop_strings(stop: str | list[str] | None) -> tuple[str, ...]:
    """Return where an answer is to stop.

    Raises:
        RequestError: too many, or too long.
    """
    stops = [stop] if isinstance(stop, str) else stop or []
    if len(stops) > MAX_STOPS:
        raise refusal("stop", f"expected up to {MAX_STOPS} strings, got {len(stops)}")
    if any(len(text) > MAX_STOP_CHARS for text in stops):
        raise refusal("stop", f"expected strings of up to {MAX_STOP_CHARS} characters")
    return tuple(dict.fromkeys(text for text in stops if text))


def upstream_id(name: str, value: str | None) -> str | None:
    """Return an id of the upstream's that a caller names, None without one.

    Raises:
        RequestError: it cannot be one.
    """
    if value and not UPSTREAM_ID.fullmatch(value):
        raise refusal(name, "expected an id as an earlier answer named it")
    return value or None


def chosen_profile(field: str | None, arrival: Arrival) -> Profile:
    """Return the profile of a request: by its field, else by its header, else the server's.

    Raises:
        RequestError: there is no such profile.
    """
    name, value = ("render_profile", field) if field else (PROFILE_HEADER, arrival.profile_header)
    if not value:
        return arrival.default_profile
    chosen = {profile.value: profile for profile in Profile}.get(value.strip().lower())
    if chosen is None:
        choices = ", ".join(f"'{profile}'" for profile in Profile)
        raise refusal(name, f"{quoted(value)} is no profile; use one of {choices}")
    return chosen


def ignored_names(given: Iterable[str], known: Container[str]) -> tuple[str, ...]:
    """Return the given names that are not among the known ones, as a header may carry them."""
    names = [name for name in given if name not in known and _FIELD_NAME.fullmatch(name)]
    return tuple(names[:MAX_NAMED_FIELDS])
