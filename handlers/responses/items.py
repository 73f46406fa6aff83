"""The items of a response's input -> the messages that they are (openai-wire 8)."""

import json
from typing import Any

from msgspec import Struct, structs

from handlers.reading.chat_messages import (
    WireMessage,
    chat_message,
    kept_file,
    located_file,
    sent_file,
)
from handlers.reading.json_body import converted, quoted, refusal
from handlers.responses.tools import ADDITIONAL_TOOLS, joined_name
from service.demands.instructions import call_text, result_text
from service.vocabulary.requests import CUSTOM_INPUT, ChatMessage, FilePart, TextPart

# What a model did by itself, which is told in the text of its answer, and what is read elsewhere.
DROPPED = frozenset(
    {
        ADDITIONAL_TOOLS,
        "reasoning",
        "image_generation_call",
        "web_search_call",
        "file_search_call",
        "code_interpreter_call",
        "computer_call",
        "mcp_call",
        "mcp_list_tools",
        "compaction",
    }
)
REFERENCE = "item_reference"
SENT = (
    *("message", "function_call", "function_call_output", "custom_tool_call"),
    *("custom_tool_call_output", ADDITIONAL_TOOLS, REFERENCE),
)
RESULT_ROLES = ("tool", "function")  # of chat completions; here a result is an item of its own
PARTS = ("input_text", "input_image", "input_file", "output_text")


class _Text(Struct, frozen=True):
    text: str


class _Refusal(Struct, frozen=True):
    refusal: str


class _Image(Struct, frozen=True):
    image_url: str | None = None
    file_id: str | None = None
    detail: str | None = None


class _File(Struct, frozen=True):
    file_data: str | None = None
    file_id: str | None = None
    file_url: str | None = None
    filename: str | None = None


class InputMessage(Struct, frozen=True):
    """A message as it was sent."""

    role: str
    content: str | list[dict[str, Any]]


class InputCall(Struct, frozen=True):
    """A call of a function that the model made."""

    call_id: str
    name: str
    arguments: str
    namespace: str | None = None


class InputCustomCall(Struct, frozen=True):
    """A call of a custom tool that the model made."""

    call_id: str
    name: str
    input: str
    namespace: str | None = None


class InputCallOutput(Struct, frozen=True):
    """What came of a call."""

    call_id: str
    output: str | list[dict[str, Any]]


def input_messages(items: list[dict[str, Any]], path: str) -> tuple[ChatMessage, ...]:
    """Return the messages that items are; references are resolved before.

    Args:
        items: of an input, or of an earlier output.
        path: where the list stands in the request, for errors.

    Raises:
        RequestError: an item or a part of one is wrong, or cannot be sent on.
    """
    messages = []
    names: dict[str, str] = {}  # of the functions called so far, by the id of the call
    for at, item in enumerate(items):
        where = f"{path}[{at}]"
        match item.get("type", "message"):
            case "message":
                messages.append(_message(item, where))
            case "function_call" | "custom_tool_call":
                call = _call(item, where)
                names[call.call_id] = call.name
                text = call_text(call.call_id, call.name, call.arguments)
                messages.append(ChatMessage("assistant", (TextPart(text),)))
            case "function_call_output" | "custom_tool_call_output":
                messages.append(_result(item, where, names))
            case str(kind) if kind in DROPPED:
                continue
            case kind:
                choices = ", ".join(f"'{name}'" for name in SENT)
                problem = f"{quoted(str(kind))} is no kind of item that can be sent; use {choices}"
                raise refusal(f"{where}.type", problem)
    return tuple(messages)


def _call(item: dict[str, Any], path: str) -> InputCall:
    """Return a call as the model is told of it, its name and namespace joined."""
    if item["type"] == "function_call":
        call = converted(item, InputCall, path)
        return structs.replace(call, name=joined_name(call.name, call.namespace))
    custom = converted(item, InputCustomCall, path)
    arguments = json.dumps({CUSTOM_INPUT: custom.input})
    return InputCall(custom.call_id, joined_name(custom.name, custom.namespace), arguments)


def _message(item: dict[str, Any], path: str) -> ChatMessage:
    message = converted(item, InputMessage, path)
    if message.role in RESULT_ROLES:
        problem = "a tool's result is an item of type 'function_call_output'"
        raise refusal(f"{path}.role", problem)
    whole = chat_message(WireMessage(message.role, ""), path)  # for its role
    return ChatMessage(whole.role, _content(message.content, f"{path}.content"))


def _result(item: dict[str, Any], path: str, names: dict[str, str]) -> ChatMessage:
    result = converted(item, InputCallOutput, path)
    plain = ChatMessage("tool", _content(result.output, f"{path}.output"))
    text = result_text(result.call_id, names.get(result.call_id, ""), plain.text)
    files = (part for part in plain.parts if isinstance(part, FilePart))
    return ChatMessage("tool", (TextPart(text), *files))


def _content(content: str | list[dict[str, Any]], path: str) -> tuple[TextPart | FilePart, ...]:
    if isinstance(content, str):
        return (TextPart(content),)
    return tuple(_part(part, f"{path}[{at}]") for at, part in enumerate(content))


def _part(part: dict[str, Any], path: str) -> TextPart | FilePart:
    match part.get("type"):
        case "input_text" | "output_text" | "text" | "summary_text":
            return TextPart(converted(part, _Text, path).text)
        case "refusal":
            return TextPart(converted(part, _Refusal, path).refusal)
        case "input_image":
            return _image(converted(part, _Image, path), path)
        case "input_file":
            return _file(converted(part, _File, path), path)
        case "input_audio":
            raise refusal(path, "audio input is not available; send text, pictures or files")
        case kind:
            choices = ", ".join(f"'{name}'" for name in PARTS)
            problem = f"{quoted(str(kind))} is no kind of part; use one of {choices}"
            raise refusal(f"{path}.type", problem)


def _image(image: _Image, path: str) -> FilePart:
    match image.image_url, image.file_id:
        case (str(url), None | "") if url:
            return located_file(url, f"{path}.image_url")
        case (None | "", str(file_id)) if file_id:
            return kept_file(file_id, f"{path}.file_id")
        case _:
            raise refusal(path, "expected either 'image_url' or 'file_id'")


def _file(file: _File, path: str) -> FilePart:
    name = file.filename or ""
    named = {"file_data": file.file_data, "file_id": file.file_id, "file_url": file.file_url}
    match [(field, value) for field, value in named.items() if value]:
        case [("file_data", data)]:
            return sent_file(data, f"{path}.file_data", name)
        case [("file_id", file_id)]:
            return kept_file(file_id, f"{path}.file_id", name)
        case [("file_url", url)]:
            return located_file(url, f"{path}.file_url", name)
        case _:
            raise refusal(path, "expected one of 'file_data', 'file_id' and 'file_url'")
