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
from service.stages.encode.message_ids import sealed_in, upstream_call_id
from service.vocabulary.requests import (
    CallPart,
    ChatMessage,
    Part,
    ResultPart,
    SealedPart,
    TextPart,
)

BILLING = "x-anthropic-billing-header:"  # which varies, and would make every prompt a new one
ROLES = ("user", "assistant", "system")
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


class _Thought(Struct, frozen=True):
    signature: str | None = None


class _Found(Struct, frozen=True):
    """A page in a result of a search; other kinds of results have neither."""

    url: str = ""
    title: str = ""


_Placed = tuple[str, dict[str, Any]]  # a block and where it stands
_Turn = tuple[str, list[_Placed]]


def system_message(system: Blocks | None) -> ChatMessage | None:
    """Return the system prompt as the first message; None if it is empty.

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
    calls = _Calls()
    read: list[ChatMessage] = []
    for role, blocks in _turns(messages):
        match role:
            case "system":
                read += _instruction(blocks)
            case "assistant":
                read += calls.unanswered()
                read += _answer(blocks, calls)
            case _:
                read += _question(blocks, calls)
    if read and read[-1].role == "assistant":
        problem = "prefill is not supported; the last message has to be the user's"
        raise refusal(f"messages.{len(messages) - 1}.role", problem)
    if not any(message.role in ("user", "tool") for message in read):
        raise refusal("messages", "there is nothing to answer; send a user message with text")
    return tuple(read)


class _Calls:
    """The calls of a history, by the ids that their caller knows them by."""

    def __init__(self) -> None:
        self._made: dict[str, CallPart] = {}
        self._open: dict[str, CallPart] = {}  # without a result yet

    def make(self, use: _ToolUse, path: str) -> CallPart:
        """Return a call that was made."""
        arguments = json.dumps(use.input, ensure_ascii=False)
        call = CallPart(upstream_call_id(use.id), use.name, arguments, path)
        self._made[use.id] = self._open[use.id] = call
        return call

    def answer(self, result: _ToolResult, path: str) -> ResultPart:
        """Return the result of a call.

        Raises:
            RequestError: there was none of this id, or a block in it is wrong.
        """
        call = self._made.get(result.tool_use_id)
        if call is None:
            problem = f"no tool_use block before it has the id {quoted(result.tool_use_id)}"
            raise refusal(f"{path}.tool_use_id", problem)
        self._open.pop(result.tool_use_id, None)
        parts = tuple(parts_of(listed(result.content), f"{path}.content"))
        if result.is_error:
            first = parts[0] if parts else None
            words = first.text if isinstance(first, TextPart) else ""
            rest = parts[1:] if isinstance(first, TextPart) else parts
            parts = (TextPart(f"{_ERROR}{words}"), *rest)
        return ResultPart(call.call_id, parts, path)

    def unanswered(self) -> Iterator[ChatMessage]:
        """Yield empty results of calls that have none: a turn was interrupted there."""
        for call in self._open.values():
            yield ChatMessage("tool", (ResultPart(call.call_id, (), call.path),))
        self._open.clear()


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
    """Yield the turns; neighbours of one role are merged."""
    turn: _Turn | None = None
    for at, message in enumerate(messages):
        path = f"messages.{at}"
        if message.role not in ROLES:
            choices = ", ".join(f"'{name}'" for name in ROLES)
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


def _instruction(blocks: Sequence[_Placed]) -> Iterator[ChatMessage]:
    texts = [text for path, block in blocks for text in _system_texts([block], path)]
    if texts:
        yield ChatMessage("system", (TextPart("\n\n".join(texts)),))


def _answer(blocks: Sequence[_Placed], calls: _Calls) -> Iterator[ChatMessage]:
    """Yield the model's thoughts, texts and calls; nothing for a turn that has none."""
    parts = [part for path, block in blocks for part in _of_answer(block, path, calls)]
    if parts:
        yield ChatMessage("assistant", tuple(parts))


def _of_answer(block: dict[str, Any], path: str, calls: _Calls) -> Iterator[Part]:
    match kind_of(block, path):
        case "text":
            if text := text_of(block, path):
                yield TextPart(text)
        case "tool_use":
            yield calls.make(converted(block, _ToolUse, path), path)
        case "thinking":
            if sealed := sealed_in(converted(block, _Thought, path).signature or ""):
                yield SealedPart(sealed)
        case "web_search_tool_result":
            if text := _found_pages(block):
                yield TextPart(text)
        case _:
            return  # what another provider's server thought and did


def _question(blocks: Sequence[_Placed], calls: _Calls) -> Iterator[ChatMessage]:
    """Yield the tool results of a turn, then its other content."""
    others: list[Part] = []
    for path, block in blocks:
        if kind_of(block, path) == "tool_result":
            result = calls.answer(converted(block, _ToolResult, path), path)
            yield ChatMessage("tool", (result,))
        else:
            others += part_of(block, path)
    yield from calls.unanswered()
    if others:
        yield ChatMessage("user", tuple(others))


def _found_pages(block: dict[str, Any]) -> str:
    """Return the pages that an earlier search has found, as text."""
    content = block.get("content")
    pages = content if isinstance(content, list) else []
    found = [converted(page, _Found, "content") for page in pages if isinstance(page, dict)]
    return "\n".join(f"{page.title} ({page.url})" for page in found if page.url)
