"""The messages of a request: turns and their blocks, as Anthropic's clients send them (A1.4).

Turns of one role that follow each other are one. Results of tools go before all else that a turn says, so
that they stand directly after their calls, in whatever order they were sent. What the model has
thought is for the upstream it came from, and what has no meaning here any more is left out:

    assistant  [text, tool_use a, tool_use b]      assistant  text, call a, call b
    user       [result b, text]                    tool       result b
    user       [result a]                          tool       result a
                                                   user       text
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct

from handlers.messages.blocks import Blocks, kind_of, listed, part_of, parts_of, text_of
from handlers.reading.json_body import converted, quoted, refusal
from service.demands.instructions import call_text, result_text
from service.stages.encode.message_ids import upstream_call_id
from service.vocabulary.errors import RequestError
from service.vocabulary.requests import ChatMessage, FilePart, TextPart

BILLING = "x-anthropic-billing-header:"  # which varies, and would make every prompt a new one
_ROLES = ("user", "assistant", "system")
_ERROR = "Error: "


class WireMessage(Struct, frozen=True):
    """One message as it was sent; other keys are accepted and not read."""

    role: str
    content: Blocks


class _ToolUse(Struct, frozen=True):
    id: str
    name: str
    input: dict[str, Any] = {}


class _ToolResult(Struct, frozen=True):
    tool_use_id: str
    content: Blocks | None = None
    is_error: bool | None = None


class _Found(Struct, frozen=True):
    """A page in a result of a search; other kinds of results have neither."""

    url: str = ""
    title: str = ""


_Turn = tuple[str, list[tuple[str, dict[str, Any]]]]  # a role, and blocks with where they stand


def system_message(system: Blocks | None) -> ChatMessage | None:
    """Return what the model is told before all messages; None if that is nothing.

    Raises:
        RequestError: a block is no text.
    """
    texts = list(_system_texts(system, "system"))
    return ChatMessage("system", (TextPart("\n\n".join(texts)),)) if texts else None


def history(messages: Sequence[WireMessage]) -> tuple[ChatMessage, ...]:
    """Return the messages of a request.

    Raises:
        RequestError: one of them is wrong, or cannot be sent on.
    """
    called: dict[str, str] = {}  # the names of the tools called so far, by the id of the call
    read: list[ChatMessage] = []
    turns = list(_turns(messages))
    for role, blocks in turns:
        match role:
            case "system":
                texts = (
                    _system_texts([block for _, block in blocks], blocks[0][0]) if blocks else ()
                )
                if text := "\n\n".join(texts):
                    read.append(ChatMessage("system", (TextPart(text),)))
            case "assistant":
                read += _answer(blocks, called)
            case _:
                read += _question(blocks, called)
    if read and read[-1].role == "assistant":
        problem = "prefill is not supported; the last message has to be the user's"
        raise refusal(f"messages.{len(messages) - 1}.role", problem)
    if not any(message.role in ("user", "tool") for message in read):
        raise refusal("messages", "there is nothing to answer; send a user message with text")
    return tuple(read)


def referenced_tools(messages: Sequence[WireMessage]) -> frozenset[str]:
    """Return the tools that results of a search for tools have named, which can be called now."""
    found = set()
    for message in messages:
        for block in listed(message.content):
            inner = block.get("content")
            for one in inner if isinstance(inner, list) else ():
                if isinstance(one, dict) and one.get("type") == "tool_reference":
                    found.add(str(one.get("tool_name")))
    return frozenset(found)


def _turns(messages: Sequence[WireMessage]) -> Iterator[_Turn]:
    """Yield the turns, those of one role as one."""
    turn: _Turn | None = None
    for at, message in enumerate(messages):
        path = f"messages.{at}"
        if message.role not in _ROLES:
            choices = ", ".join(f"'{name}'" for name in _ROLES)
            problem = f"{quoted(message.role)} is no role; use one of {choices}"
            raise refusal(f"{path}.role", problem)
        blocks = enumerate(listed(message.content))
        placed = [(f"{path}.content.{number}", block) for number, block in blocks]
        if turn is not None and turn[0] == message.role:
            turn[1].extend(placed)
            continue
        if turn is not None:
            yield turn
        turn = (message.role, placed)
    if turn is not None:
        yield turn


def _system_texts(system: Blocks | None, path: str) -> Iterator[str]:
    for at, block in enumerate(listed(system)):
        where = f"{path}.{at}"
        if (kind := kind_of(block, where)) != "text":
            raise refusal(f"{where}.type", f"{quoted(kind)} is not 'text'")
        text = text_of(block, where)
        if text and not text.startswith(BILLING):
            yield text


def _answer(
    blocks: Sequence[tuple[str, dict[str, Any]]], called: dict[str, str]
) -> Iterator[ChatMessage]:
    """Yield what the model said and called; nothing for a turn that has nothing of it."""
    parts: list[TextPart | FilePart] = []
    for path, block in blocks:
        match kind_of(block, path):
            case "text":
                if text := text_of(block, path):
                    parts.append(TextPart(text))
            case "tool_use":
                use = converted(block, _ToolUse, path)
                called[use.id] = use.name
                arguments = json.dumps(use.input, ensure_ascii=False)
                parts.append(TextPart(call_text(upstream_call_id(use.id), use.name, arguments)))
            case "web_search_tool_result":
                if text := _found_pages(block):
                    parts.append(TextPart(text))
            case _:
                pass  # thoughts, and what another provider's server did
    if parts:
        yield ChatMessage("assistant", tuple(parts))


def _question(
    blocks: Sequence[tuple[str, dict[str, Any]]], called: dict[str, str]
) -> Iterator[ChatMessage]:
    """Yield the results of a turn, and then what else it says."""
    others: list[TextPart | FilePart] = []
    for path, block in blocks:
        if kind_of(block, path) == "tool_result":
            yield _result(converted(block, _ToolResult, path), path, called)
        else:
            others += part_of(block, path)
    if others:
        yield ChatMessage("user", tuple(others))


def _result(result: _ToolResult, path: str, called: dict[str, str]) -> ChatMessage:
    name = called.get(result.tool_use_id)
    if name is None:
        raise _no_call(result.tool_use_id, path)
    parts = list(parts_of(listed(result.content), f"{path}.content"))
    text = "\n".join(part.text for part in parts if isinstance(part, TextPart))
    if result.is_error:
        text = f"{_ERROR}{text}"
    told = TextPart(result_text(upstream_call_id(result.tool_use_id), name, text))
    return ChatMessage("tool", (told, *(part for part in parts if isinstance(part, FilePart))))


def _no_call(tool_use_id: str, path: str) -> RequestError:
    problem = f"no tool_use block before it has the id {quoted(tool_use_id)}"
    return refusal(f"{path}.tool_use_id", problem)


def _found_pages(block: dict[str, Any]) -> str:
    """Return the pages that an earlier search has found, as text."""
    content = block.get("content")
    pages = content if isinstance(content, list) else []
    found = [converted(page, _Found, "content") for page in pages if isinstance(page, dict)]
    return "\n".join(f"{page.title} ({page.url})" for page in found if page.url)
