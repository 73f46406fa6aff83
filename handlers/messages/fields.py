"""The fields of a message, from the wire to what is asked of a turn (anthropic-wire 1.2, 1.3).

Fields come and go every month in this dialect, so an unknown one is never an error, and of those
that change nothing here the header `x-ignored-fields` tells.
"""

from typing import Any

from msgspec import Struct, structs

from handlers.messages.blocks import Blocks
from handlers.messages.history import WireMessage, history, referenced_tools, system_message
from handlers.messages.tools import SEARCH, Tools, WireChoice, tools_of
from handlers.messages.wishes import WireThinking, cache_key, effort_of, wishes_of
from handlers.reading.common_fields import (
    Arrival,
    chosen_profile,
    ignored_names,
    model_name,
    stop_strings,
)
from handlers.reading.json_body import decode_json, given_names, quoted, refusal
from service.stages.encode.message_blocks import Thinking
from service.stages.encode.message_errors import THREAD_CODE
from service.vocabulary.requests import (
    ChatMessage,
    ChatRequest,
    Demand,
    JsonFormat,
    Profile,
    Wishes,
)

MAX_STOPS = 64
_THINKING = ("enabled", "adaptive", "between_tools", "disabled")
_MAX_QUERY_CHARS = 200


class WireFormat(Struct, frozen=True):
    """What the answer has to be; `json_schema` is the only type."""

    type: str
    schema: dict[str, Any] | None = None


class WireOutput(Struct, frozen=True):
    """How much effort the answer is to take, and what it has to be."""

    effort: str | None = None
    format: WireFormat | None = None


class _Inert(Struct, frozen=True, kw_only=True):
    """Known fields that have no effect, for their types."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    metadata: dict[str, Any] | None = None


class TokenFields(_Inert, frozen=True, kw_only=True):
    """The fields that tokens are counted of."""

    model: str
    messages: list[WireMessage]
    system: Blocks | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: WireChoice | None = None
    thinking: WireThinking | None = None
    output_config: WireOutput | None = None
    output_format: WireFormat | None = None
    thread: dict[str, Any] | None = None
    mcp_servers: list[Any] | None = None
    container: Any = None


class MessageFields(TokenFields, frozen=True, kw_only=True):
    """The body of a message, its shape checked."""

    max_tokens: int
    stream: bool | None = None
    stop_sequences: list[str] | None = None


_INERT = frozenset(_Inert.__struct_fields__)
HONOURED = frozenset(MessageFields.__struct_fields__) - _INERT
_NATIVE = frozenset({"metadata"})  # honoured where the upstream has a cache
COUNTED = frozenset(TokenFields.__struct_fields__) - _INERT


class Asked(Struct, frozen=True):
    """A message that is asked for; with a `search_query` the caller wants to see what was found."""

    chat: ChatRequest
    thinking: Thinking
    search_query: str = ""


def asked_message(body: bytes, arrival: Arrival) -> Asked:
    """Read a request of the Messages dialect.

    Raises:
        RequestError: it is no JSON, a field is wrong, or it asks for what cannot be had.
    """
    fields = decode_json(body, MessageFields)
    messages, tools = read_fields(fields)
    if fields.max_tokens < 0:
        raise refusal("max_tokens", "expected 0 or more")
    json_format = _json_format(fields)
    honoured = HONOURED | _NATIVE if arrival.is_native else HONOURED
    chat = ChatRequest(
        request_id=arrival.request_id,
        model=model_name(fields.model),
        messages=messages,
        is_stream=bool(fields.stream),
        is_usage_wanted=True,
        profile=chosen_profile(None, _with_blocks(arrival)),
        public_url=arrival.public_url,
        received_at=arrival.received_at,
        idempotency_key=arrival.idempotency_key,
        max_tokens=fields.max_tokens,
        stop=stop_strings(fields.stop_sequences, "stop_sequences", MAX_STOPS),
        ignored_fields=ignored_names(given_names(body), honoured),
        demand=_demand(tools, json_format),
        wishes=_wishes(fields, tools, json_format),
    )
    query = _query(messages) if tools.may_search else ""
    return Asked(chat, _thinking(fields.thinking), query)


def read_fields(fields: TokenFields) -> tuple[tuple[ChatMessage, ...], Tools]:
    """Return the messages, with what the model is told before them, and the tools.

    Raises:
        RequestError: a field is wrong, or asks for what cannot be had.
    """
    _refuse_unsupported(fields)
    messages = history(fields.messages)
    system = system_message(fields.system)
    loaded = referenced_tools(fields.messages)
    tools = tools_of(fields.tools or (), fields.tool_choice, loaded)
    return (messages if system is None else (system, *messages)), tools


def _wishes(fields: TokenFields, tools: Tools, json_format: JsonFormat | None) -> Wishes:
    sent = fields.tools or ()
    searches = [one for one in sent if str(one.get("type")).startswith(f"{SEARCH}_")]
    effort = fields.output_config.effort if fields.output_config else None
    system = system_message(fields.system)
    return structs.replace(
        wishes_of(tools, searches, fields.tool_choice, json_format),
        effort=effort_of(fields.thinking, effort),
        wants_search=tools.searches,
        cache_key=cache_key(fields.metadata, system.text if system else ""),
    )


def _refuse_unsupported(fields: TokenFields) -> None:
    """Refuse what would be wrong to ignore: the caller would misread the answer."""
    if fields.thread is not None:
        # Its client sends the next message alone then, unless it is told in this very way.
        problem = "threads are not kept here; send the whole conversation"
        raise refusal("thread", problem, THREAD_CODE)
    if fields.mcp_servers:
        raise refusal("mcp_servers", "no MCP server is called from here; send tools of your own")
    if fields.container is not None:
        raise refusal("container", "there are no containers here")
    if not fields.messages:
        raise refusal("messages", "at least one message is required")


def _with_blocks(arrival: Arrival) -> Arrival:
    """Return an arrival whose default is the profile of blocks, unless the server's is `bot`."""
    if arrival.default_profile is Profile.BOT:
        return arrival
    return structs.replace(arrival, default_profile=Profile.BLOCKS)


def _demand(tools: Tools, json_format: JsonFormat | None) -> Demand | None:
    if not tools.functions and json_format is None:
        return None
    return Demand(
        functions=tools.functions,
        must_call=tools.must_call,
        is_parallel=tools.is_parallel,
        json_format=json_format,
    )


def _json_format(fields: TokenFields) -> JsonFormat | None:
    newer = fields.output_config.format if fields.output_config else None
    path, wanted = "output_config.format", newer
    if wanted is None:
        path, wanted = "output_format", fields.output_format
    match wanted:
        case None:
            return None
        case WireFormat("json_schema", schema) if schema is not None:
            return JsonFormat(f"{path}.schema", schema)
        case WireFormat("json_schema"):
            raise refusal(f"{path}.schema", "Field required")
        case WireFormat(kind):
            raise refusal(f"{path}.type", f"{quoted(kind)} is not 'json_schema'")


def _thinking(wanted: WireThinking | None) -> Thinking:
    if wanted is None:
        return Thinking()
    if wanted.type not in _THINKING:
        choices = ", ".join(f"'{kind}'" for kind in _THINKING)
        raise refusal("thinking.type", f"{quoted(wanted.type)} is none of {choices}")
    return Thinking(wanted.type != "disabled", wanted.display != "omitted")


def _query(messages: tuple[ChatMessage, ...]) -> str:
    """Return the query that a search is shown with: the user's last words, shortened."""
    asked = next((each.text for each in reversed(messages) if each.role == "user"), "")
    return " ".join(asked.split())[:_MAX_QUERY_CHARS]
