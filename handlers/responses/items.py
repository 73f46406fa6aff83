"""Turns the input items of a response into messages (openai-wire 8)."""

from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from handlers.reading.chat_messages import (
    WireMessage,
    chat_message,
    kept_file,
    located_file,
    looked_at,
    sent_file,
)
from handlers.reading.json_body import converted, quoted, refusal
from handlers.responses.tools import ADDITIONAL_TOOLS, FOUND_TOOLS
from service.vocabulary.errors import RequestError
from service.vocabulary.requests import (
    CallPart,
    ChatMessage,
    DrawnPart,
    FilePart,
    ItemPart,
    ResultPart,
    SealedPart,
    TextPart,
)

# Items that a model made by itself; the text of its answer tells of them.
DROPPED = frozenset(
    {
        "web_search_call",
        "file_search_call",
        "code_interpreter_call",
        "computer_call",
        "mcp_call",
        "mcp_list_tools",
    }
)
# The same, and items that some upstreams accept back.
BY_MODEL = DROPPED | {"reasoning", "image_generation_call", "compaction"}
REFERENCE = "item_reference"
# Items of tools that only a back end of the Responses API has.
NATIVE = ("local_shell_call", "local_shell_call_output")
SENT = (
    *("message", "function_call", "function_call_output", "custom_tool_call"),
    *("custom_tool_call_output", "tool_search_call", FOUND_TOOLS, ADDITIONAL_TOOLS, REFERENCE),
)
KNOWN = frozenset((*BY_MODEL, *SENT, *NATIVE))
RESULT_ROLES = ("tool", "function")  # of chat completions; here a result is an item
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
    phase: str | None = None


class InputCall(Struct, frozen=True):
    """A call that the model made of a function."""

    call_id: str
    name: str
    arguments: str
    namespace: str | None = None


class InputCustomCall(Struct, frozen=True):
    """A call that the model made of a custom tool."""

    call_id: str
    name: str
    input: str
    namespace: str | None = None


class InputSearch(Struct, frozen=True):
    """A search for tools that the model made; without a call id it ran where the model does."""

    arguments: dict[str, Any]
    call_id: str | None = None


class InputFound(Struct, frozen=True):
    """The tools that a search found; they can be called from then on."""

    tools: list[dict[str, Any]]
    call_id: str | None = None


class InputCallOutput(Struct, frozen=True):
    """The result of a call."""

    call_id: str
    output: str | list[dict[str, Any]]


def input_messages(items: list[dict[str, Any]], path: str) -> tuple[ChatMessage, ...]:
    """Return the messages of items whose references are resolved.

    Args:
        items: of an input, or of an earlier output.
        path: the place of the list in the request, for errors.

    Raises:
        RequestError: an item or a part of one is wrong, or not supported.
    """
    read = (_read(item, f"{path}[{at}]") for at, item in enumerate(items))
    return tuple(message for message in read if message is not None)


# One branch for each kind of item: a table.
def _read(item: dict[str, Any], path: str) -> ChatMessage | None:  # noqa: C901, PLR0911 - see above
    """Return the message for an item, None for one that the answer's text already tells of."""
    match item.get("type", "message"):
        case "message":
            return _message(item, path)
        case "function_call" | "custom_tool_call":
            return ChatMessage("assistant", (_call(item, path),))
        case "function_call_output" | "custom_tool_call_output" as kind:
            return _result(item, path, is_custom=kind.startswith("custom"))
        case "reasoning":
            return _reasoning(item)
        case "image_generation_call":
            return _drawn(item, path)
        case "compaction" | "additional_tools":
            return ChatMessage("assistant", (_whole(item, path),))
        case "tool_search_call" | "tool_search_output":
            return _searched(item, path)
        case "local_shell_call" | "local_shell_call_output" as kind:
            role = "tool" if kind.endswith("_output") else "assistant"
            return ChatMessage(role, (_whole(item, path),))
        case str(kind) if kind in DROPPED:
            return None
        case kind:
            raise unknown_item(str(kind), path)


def unknown_item(kind: str, path: str) -> RequestError:
    """Return the error for an item of a kind that cannot be sent."""
    choices = ", ".join(f"'{name}'" for name in SENT)
    problem = f"{quoted(kind)} is no kind of item that can be sent; use {choices}"
    return refusal(f"{path}.type", problem)


def check_native(messages: Iterable[ChatMessage]) -> None:
    """Pass messages that an upstream without such tools can be told.

    Raises:
        RequestError: there is an item of one of those tools.
    """
    for part in (part for message in messages for part in message.parts):
        if isinstance(part, ItemPart) and part.item.get("type") in NATIVE:
            raise unknown_item(str(part.item["type"]), part.path)


def _searched(item: dict[str, Any], path: str) -> ChatMessage:
    is_result = item["type"] == FOUND_TOOLS
    converted(item, InputFound if is_result else InputSearch, path)
    return ChatMessage("tool" if is_result else "assistant", (_whole(item, path),))


def _whole(item: dict[str, Any], path: str) -> ItemPart:
    kept = {name: value for name, value in item.items() if name not in ("id", "status")}
    return ItemPart(kept, path)


def _call(item: dict[str, Any], path: str) -> CallPart:
    if item["type"] == "function_call":
        call = converted(item, InputCall, path)
        return CallPart(call.call_id, call.name, call.arguments, path, call.namespace or "")
    custom = converted(item, InputCustomCall, path)
    return CallPart(
        custom.call_id, custom.name, custom.input, path, custom.namespace or "", is_custom=True
    )


def _reasoning(item: dict[str, Any]) -> ChatMessage | None:
    """Return earlier reasoning, None unless it is encrypted: only that can be sent back."""
    sealed, summary = item.get("encrypted_content"), item.get("summary")
    if not isinstance(sealed, str) or not sealed:
        return None
    parts = summary if isinstance(summary, list) else []
    texts = [
        part["text"] for part in parts if isinstance(part, dict) and _is_text(part.get("text"))
    ]
    return ChatMessage("assistant", (SealedPart(sealed, tuple(texts)),))


def _drawn(item: dict[str, Any], path: str) -> ChatMessage | None:
    """Return an earlier picture, None if its place is unknown."""
    result, url = item.get("result"), item.get("url")
    if isinstance(result, str) and result:
        return ChatMessage("user", (DrawnPart(sent_file(result, f"{path}.result")),))
    if isinstance(url, str) and url:
        return ChatMessage("user", (DrawnPart(located_file(url, f"{path}.url")),))
    return None


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _message(item: dict[str, Any], path: str) -> ChatMessage:
    message = converted(item, InputMessage, path)
    if message.role in RESULT_ROLES:
        problem = "a tool's result is an item of type 'function_call_output'"
        raise refusal(f"{path}.role", problem)
    whole = chat_message(WireMessage(message.role, ""), path)  # to check the role
    return ChatMessage(
        whole.role, _content(message.content, f"{path}.content"), phase=message.phase or ""
    )


def _result(item: dict[str, Any], path: str, *, is_custom: bool) -> ChatMessage:
    result = converted(item, InputCallOutput, path)
    content = _content(result.output, f"{path}.output")
    return ChatMessage("tool", (ResultPart(result.call_id, content, path, is_custom=is_custom),))


def _content(content: str | list[dict[str, Any]], path: str) -> tuple[TextPart | FilePart, ...]:
    if isinstance(content, str):
        return (TextPart(content),)
    return tuple(_part(part, f"{path}[{at}]") for at, part in enumerate(content))


def _part(part: dict[str, Any], path: str) -> TextPart | FilePart:
    match part.get("type"):
        case "input_text" | "output_text" | "text" | "summary_text":
            return TextPart(converted(part, _Text, path).text)
        case "refusal":
            return TextPart(converted(part, _Refusal, path).refusal, is_refusal=True)
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
            located = located_file(url, f"{path}.image_url")
        case (None | "", str(file_id)) if file_id:
            located = kept_file(file_id, f"{path}.file_id")
        case _:
            raise refusal(path, "expected either 'image_url' or 'file_id'")
    return looked_at(located, image.detail)


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
