"""The ways to call the gateway, and what of each answer the contract speaks of."""

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import Any

from aiohttp import FormData

from tests.faults.upstream import PNG
from tests.gateway import Answer
from tests.message_events import Read, events_of
from tests.response_events import parsed, text_of

MISSING = "<no picture>"
_REASON = re.compile(r"\n```\nError: [^\n`]+\n```\n")
ERROR_KEYS = {"message", "type", "param", "code"}
QUESTION = "What is it?"


@dataclass
class Got:
    """One answer as the contract sees it.

    `text` is all that the caller has of the answer, `error.partial` included; `end` is what
    says that the answer is whole, and `problems` what no answer may have.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    text: str = ""
    end: str | None = None
    error: dict[str, Any] | None = None
    is_stream: bool = False
    has_picture: bool = False
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Endpoint:
    """One way to ask."""

    name: str
    mode: str
    path: str
    ask: Callable[[], dict[str, Any]]
    read: Callable[[Answer], Got]
    draws: bool = False
    sends: bool = False
    calls: bool = False
    has_outcome: bool = True
    param: str | None = None
    method: str = "POST"

    @property
    def is_streamed(self) -> bool:
        """Whether the answer comes in pieces."""
        return self.mode == "streamed"


# --- reading --------------------------------------------------------------------------


def _got(answer: Answer) -> Got:
    """Return what all answers have; an error that is not in a stream is read as well."""
    got = Got(answer.status, answer.headers, answer.body, is_stream=answer.is_stream)
    if got.is_stream:
        return got
    if not answer.headers["Content-Type"].startswith("application/json"):
        got.problems.append(f"neither JSON nor events: {answer.headers['Content-Type']}")
        return got
    reply = answer.json
    got.error = reply.get("error")
    if got.error is not None:
        got.text = got.error.get("partial", "")
        if set(got.error) - {"partial"} != ERROR_KEYS or set(reply) != {"error"}:
            got.problems.append(f"no error object: {reply}")
    return got


def read_chat(answer: Answer) -> Got:
    """Read a chat completion."""
    got = _got(answer)
    if got.is_stream:
        return _read_chunks(answer, got, lambda choice: choice["delta"].get("content") or "")
    if got.error is None:
        choice = answer.json["choices"][0]
        got.text, got.end = choice["message"]["content"], choice["finish_reason"]
        got.has_picture = bool(answer.json.get("x_images"))
    return got


def read_completion(answer: Answer) -> Got:
    """Read a completion of the old kind."""
    got = _got(answer)
    if got.is_stream:
        return _read_chunks(answer, got, lambda choice: choice["text"])
    if got.error is None:
        choice = answer.json["choices"][0]
        got.text, got.end = choice["text"], choice["finish_reason"]
    return got


def _read_chunks(answer: Answer, got: Got, text_in: Callable[[Any], str]) -> Got:
    """Read the events of a stream of chunks; its end is one event, and the last but `[DONE]`."""
    events = answer.events
    is_done = events[-1] == "[DONE]"
    for event in events[:-1] if is_done else events:
        if "error" in event:
            got.error = event["error"]
            if set(event) != {"error"} or set(event["error"]) != ERROR_KEYS:
                got.problems.append(f"no error frame: {event}")
            if event is not events[-1]:
                got.problems.append("something follows the error")
        for choice in event.get("choices", ()):
            if got.end is not None:
                got.problems.append("something follows the end")
            got.text += text_in(choice)
            got.end = choice["finish_reason"] or got.end
        got.has_picture = got.has_picture or bool(event.get("x_images"))
    if is_done != (got.end is not None):
        got.problems.append(f"finish_reason {got.end}, but [DONE]: {is_done}")
    return got


def read_response(answer: Answer) -> Got:
    """Read a response."""
    got = _got(answer)
    if not got.is_stream:
        if got.error is None:
            _read_object(answer.json, got)
        return got
    events = parsed(answer.body)
    if [event["sequence_number"] for event in events] != list(range(len(events))):
        got.problems.append("events are not numbered in order")
    last = events[-1]
    if last["type"] == "error":
        got.error = last["error"]
        if events[-2]["type"] != "response.failed":
            got.problems.append("an error without response.failed before it")
    elif last["type"] not in ("response.completed", "response.incomplete"):
        got.problems.append(f"the last event is {last['type']}")
    else:
        _read_object(last["response"], got)
        if got.text != text_of(events):
            got.problems.append("the deltas are not the text")
    got.text = text_of(events)
    return got


def _read_object(response: dict[str, Any], got: Got) -> None:
    got.text = "".join(
        part["text"]
        for item in response["output"]
        if item["type"] == "message"
        for part in item["content"]
    )
    ends = {"completed": "stop", "incomplete": (response["incomplete_details"] or {}).get("reason")}
    got.end = ends.get(response["status"])
    # The dialect has other names for two of the ends (openai-wire 8).
    got.end = {"max_output_tokens": "length"}.get(got.end or "", got.end)


# What the ends of a message are called elsewhere.
_MESSAGE_ENDS = {
    "end_turn": "stop",
    "max_tokens": "length",
    "refusal": "content_filter",
    "tool_use": "tool_calls",
}


def read_message(answer: Answer) -> Got:
    """Read a message of Anthropic's dialect, as its strictest reader does."""
    got = Got(answer.status, answer.headers, answer.body, is_stream=answer.is_stream)
    if "request-id" not in answer.headers:
        got.problems.append("no request-id")
    if got.is_stream:
        told = Read(answer.body)
        message, whole_error = told.whole, told.error
        got.text = told.text
    else:
        message = answer.json
        whole_error = message if message["type"] == "error" else None
    if whole_error is not None:
        got.error = whole_error["error"]
        got.text = got.error.get("partial", "") if not got.is_stream else got.text
        if whole_error["request_id"] != answer.headers.get("request-id"):
            got.problems.append("the error has another id than its header")
        return got
    got.text = "".join(one["text"] for one in message["content"] if one["type"] == "text")
    got.end = _MESSAGE_ENDS.get(message["stop_reason"])
    return got


def read_calls(answer: Answer) -> Got:
    """Read a chat completion that is a call; its text is the arguments."""
    got = _got(answer)
    if got.is_stream:
        return _read_chunks(answer, got, lambda choice: _arguments(choice["delta"]))
    if got.error is None:
        choice = answer.json["choices"][0]
        got.text, got.end = _arguments(choice["message"]), choice["finish_reason"]
    return got


def _arguments(said: dict[str, Any]) -> str:
    return "".join(call["function"].get("arguments", "") for call in said.get("tool_calls") or ())


def read_response_calls(answer: Answer) -> Got:
    """Read a response that is a call."""
    got = read_response(answer)
    kind = "function_call"
    if got.is_stream:
        events = parsed(answer.body)
        deltas = (one for one in events if one["type"] == f"response.{kind}_arguments.delta")
        got.text = "".join(one["delta"] for one in deltas)
        answered = events[-1].get("response", {})
    else:
        answered = answer.json
        got.text = "".join(one.get("arguments", "") for one in answered.get("output", ()))
    if got.end == "stop" and answered["output"][-1]["type"] == kind:
        got.end = "tool_calls"
    return got


def read_message_calls(answer: Answer) -> Got:
    """Read a message that is a call."""
    got = read_message(answer)
    if got.is_stream:
        deltas = (one.get("delta", {}) for one in events_of(answer.body))
        got.text = "".join(delta.get("partial_json", "") for delta in deltas)
    elif got.error is None:
        calls = (one for one in answer.json["content"] if one["type"] == "tool_use")
        got.text = "".join(json.dumps(one["input"], ensure_ascii=False) for one in calls)
    return got


def read_images(answer: Answer) -> Got:
    """Read an order of pictures."""
    got = _got(answer)
    if got.error is None:
        got.text, got.end = answer.json["reply"], "stop"
        got.has_picture = all("url" in one or "b64_json" in one for one in answer.json["data"])
    return got


def read_order(answer: Answer) -> Got:
    """Read an order of pictures that nothing is said to."""
    got = read_images(answer)
    got.text = ""
    return got


def read_compaction(answer: Answer) -> Got:
    """Read items that stand for a history."""
    got = _got(answer)
    if got.error is None:
        (item,) = answer.json["output"]
        got.end = "stop" if item["encrypted_content"] else None
    return got


def read_drawn(answer: Answer) -> Got:
    """Read a chat in which a picture is missing; what stands in its place is `MISSING`."""
    got = read_chat(answer)
    got.text = _REASON.sub(MISSING, got.text)
    return got


def read_models(answer: Answer) -> Got:
    """Read a list of models, or one of them."""
    got = read_object(answer)
    if got.error is None:
        names = {one["id"] for one in answer.json.get("data", [answer.json])}
        if "gpt-4o" not in names:
            got.problems.append(f"the table is not in the list: {names}")
    return got


def read_object(answer: Answer) -> Got:
    """Read an answer that is one JSON object: a file, ids."""
    got = _got(answer)
    if got.error is None:
        got.end = "stop"
    return got


# --- asking ---------------------------------------------------------------------------


def _json(**body: Any) -> Callable[[], dict[str, Any]]:
    return lambda: {"json": body}


def _chat(*, stream: bool, content: Any = QUESTION) -> Callable[[], dict[str, Any]]:
    message = {"role": "user", "content": content}
    return _json(model="gpt-4o", messages=[message], stream=stream)


def _form(field_name: str, **fields: str) -> Callable[[], dict[str, Any]]:
    def ask() -> dict[str, Any]:
        form = FormData(quote_fields=False)
        for name, value in fields.items():
            form.add_field(name, value)
        form.add_field(field_name, BytesIO(PNG), filename="a.png", content_type="image/png")
        return {"data": form}

    return ask


def _both(
    name: str, path: str, read: Callable[[Answer], Got], **body: Any
) -> tuple[Endpoint, Endpoint]:
    return (
        Endpoint(name, "streamed", path, _json(**body, stream=True), read),
        Endpoint(name, "whole", path, _json(**body), read),
    )


_CHAT = "/v1/chat/completions"
CHATS = (
    Endpoint("chat", "streamed", _CHAT, _chat(stream=True), read_chat),
    Endpoint("chat", "whole", _CHAT, _chat(stream=False), read_chat),
)
TEXTS = (
    *CHATS,
    *_both("responses", "/v1/responses", read_response, model="gpt-4o", input=QUESTION),
    *_both(
        "messages",
        "/v1/messages",
        read_message,
        model="gpt-4o",
        max_tokens=100_000,
        messages=[{"role": "user", "content": QUESTION}],
    ),
    *_both("completions", "/v1/completions", read_completion, model="gpt-4o", prompt=QUESTION),
)
_SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
_WEATHER = {"name": "get_weather", "parameters": _SCHEMA}
CALLS = tuple(
    replace(endpoint, calls=True)
    for endpoint in (
        *_both(
            "chat",
            _CHAT,
            read_calls,
            model="gpt-4o",
            messages=[{"role": "user", "content": QUESTION}],
            tools=[{"type": "function", "function": _WEATHER}],
        ),
        *_both(
            "responses",
            "/v1/responses",
            read_response_calls,
            model="gpt-4o",
            input=QUESTION,
            tools=[{"type": "function", **_WEATHER}],
        ),
        *_both(
            "messages",
            "/v1/messages",
            read_message_calls,
            model="gpt-4o",
            max_tokens=100_000,
            messages=[{"role": "user", "content": QUESTION}],
            tools=[{"name": "get_weather", "input_schema": _SCHEMA}],
        ),
    )
)
_ORDER = {"model": "gpt-4o", "prompt": "two boats"}
PICTURES = (
    Endpoint(
        "generations", "whole", "/v1/images/generations", _json(**_ORDER), read_images, draws=True
    ),
    Endpoint(
        "edits",
        "whole",
        "/v1/images/edits",
        _form("image", **_ORDER),
        read_images,
        draws=True,
        sends=True,
        param="image",
    ),
    Endpoint(
        "variations",
        "whole",
        "/v1/images/variations",
        _form("image", model="gpt-4o"),
        read_images,
        draws=True,
        sends=True,
        param="image",
    ),
)
_FILE = {
    "type": "image_url",
    "image_url": {"url": f"data:image/png;base64,{base64.b64encode(PNG).decode()}"},
}
_WITH_FILE = [{"type": "text", "text": QUESTION}, _FILE]
SENDING = tuple(
    Endpoint(
        "chat with a file",
        mode,
        _CHAT,
        _chat(stream=stream, content=_WITH_FILE),
        read_chat,
        sends=True,
        param="messages[0].content[1].image_url.url",
    )
    for mode, stream in (("streamed", True), ("whole", False))
)
DRAWING = tuple(
    Endpoint("chat that draws", mode, _CHAT, _chat(stream=stream), read_drawn, draws=True)
    for mode, stream in (("streamed", True), ("whole", False))
)
MODELS = (
    Endpoint("models", "whole", "/v1/models", dict, read_models, has_outcome=False, method="GET"),
    Endpoint(
        "models", "whole", "/v1/models/gpt-4o", dict, read_models, has_outcome=False, method="GET"
    ),
)
_BOATS = {"model": "gpt-image-2", "prompt": "two boats"}
CODEX_ORDERS = Endpoint(
    "orders", "whole", "/v1/images/generations", _json(**_BOATS), read_order, draws=True
)
CODEX_EDITS = Endpoint(
    "edits", "whole", "/v1/images/edits", _form("image", **_BOATS), read_order, draws=True
)
CODEX_COMPACT = Endpoint(
    "compact",
    "whole",
    "/v1/responses/compact",
    _json(model="gpt-4o", input=QUESTION),
    read_compaction,
)
CODEX_MODELS = (
    Endpoint("models", "whole", "/v1/models", dict, read_object, has_outcome=False, method="GET"),
)
_THOUGHT = {"type": "reasoning", "summary": [], "encrypted_content": "gAAAAof-another-account"}
SEALED = _both(
    "responses",
    "/v1/responses",
    read_response,
    model="gpt-4o",
    input=[_THOUGHT, {"role": "user", "content": QUESTION}],
)
FILES = (
    Endpoint(
        "files",
        "whole",
        "/v1/files",
        _form("file", purpose="user_data"),
        read_object,
        sends=True,
        has_outcome=False,
    ),
)
ACCOUNTS = (Endpoint("accounts", "whole", "/getAccountID", dict, read_object, has_outcome=False),)
