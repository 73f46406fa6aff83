"""A history as the input items of Codex's back end (codex 2.3, 6).

    system, at the beginning      instructions
    system, later                 {"type": "message", "role": "developer", …}
    call of a function            {"type": "function_call", "call_id": …, …}

No id of an item goes along, since nothing is stored there; the ids of calls do.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from service.vocabulary.errors import RequestError
from service.vocabulary.requests import (
    CallPart,
    ChatMessage,
    DrawnPart,
    FilePart,
    ItemPart,
    Part,
    ResultPart,
    SealedPart,
    TextPart,
)
from upstream.codex.payload.tools import short_name

Item = dict[str, Any]
_ROLES = {"system": "developer", "tool": "user"}


class InlineFile(Struct, frozen=True):
    """A file of the request as it is sent: all of it, as a data URL."""

    name: str
    data_url: str
    is_picture: bool


class History(Struct, frozen=True):
    """What was said: the `instructions` before all else, and the items after them."""

    instructions: str
    items: list[Item]


def history_of(
    messages: Sequence[ChatMessage],
    files: Mapping[str, InlineFile],
    unseal: Callable[[str], str],
) -> History:
    """Return the history of a turn.

    Args:
        messages: of the request.
        files: by the paths of their parts.
        unseal: returns what of sealed reasoning may be sent for this account.

    Raises:
        RequestError: a call has no result, or a result no call.
    """
    first = next((at for at, one in enumerate(messages) if not _is_instruction(one)), len(messages))
    calls = _Calls()
    items = [item for message in messages[first:] for item in _items(message, files, unseal, calls)]
    calls.check()
    instructions = "\n\n".join(message.text for message in messages[:first])
    return History(instructions, items)


def _is_instruction(message: ChatMessage) -> bool:
    """Tell whether a leading message can be an instruction: it is a system message of text alone."""
    return message.role == "system" and all(isinstance(part, TextPart) for part in message.parts)


def _items(
    message: ChatMessage,
    files: Mapping[str, InlineFile],
    unseal: Callable[[str], str],
    calls: "_Calls",
) -> Iterator[Item]:
    """Yield the items of a message: what is said in one, and calls, results, … beside it."""
    said: list[Item] = []
    role = _ROLES.get(message.role, message.role)
    for part in message.parts:
        if isinstance(part, TextPart | FilePart):
            said.append(_content(part, files, role))
            continue
        if said:
            yield _message(role, said, message.phase)
            said = []
        yield from _other(part, files, unseal, calls)
    if said:
        yield _message(role, said, message.phase)


def _message(role: str, content: list[Item], phase: str) -> Item:
    item: Item = {"type": "message", "role": role, "content": content}
    return {**item, "phase": phase} if phase and role == "assistant" else item


def _other(
    part: Part, files: Mapping[str, InlineFile], unseal: Callable[[str], str], calls: "_Calls"
) -> Iterator[Item]:
    match part:
        case CallPart():
            yield calls.call(part)
        case ResultPart():
            yield calls.result(part, files)
        case SealedPart(sealed, summary):
            if content := unseal(sealed):
                told = [{"type": "summary_text", "text": text} for text in summary]
                yield {"type": "reasoning", "summary": told, "encrypted_content": content}
        case DrawnPart(file) if file.path in files:  # else it is gone
            yield _message("user", [_content(file, files, "user")], "")
        case ItemPart({"type": "compaction", "encrypted_content": str(sealed)}, path):
            yield _compaction(unseal(sealed), path)
        case ItemPart(item):
            yield item
        case _:
            return


def _compaction(content: str, path: str) -> Item:
    if not content:
        message = (
            f"{path}: this compaction was made for another account, which alone can read it; send "
            "the messages that it stands for."
        )
        raise RequestError(message, param=path)
    return {"type": "compaction", "encrypted_content": content}


def _content(part: TextPart | FilePart, files: Mapping[str, InlineFile], role: str) -> Item:
    match part:
        case TextPart(text, is_refusal):
            if role != "assistant":
                return {"type": "input_text", "text": text}
            return (
                {"type": "refusal", "refusal": text}
                if is_refusal
                else {"type": "output_text", "text": text}
            )
        case FilePart(path):
            file = files[path]
            if not file.is_picture:
                return {"type": "input_file", "filename": file.name, "file_data": file.data_url}
            picture: Item = {"type": "input_image", "image_url": file.data_url}
            return {**picture, "detail": part.detail} if part.detail else picture


class _Calls:
    """The calls of a history and their results, which have to be there both.

    Those of the form before `tools` have no ids: they get one by their place, and a result
    is of the last call of its function.
    """

    def __init__(self) -> None:
        self._made: dict[str, CallPart] = {}
        self._answered: set[str] = set()
        self._unnamed: dict[str, str] = {}  # the last id that was given, by function

    def call(self, part: CallPart) -> Item:
        call_id = part.call_id
        if not call_id:
            call_id = self._unnamed[part.name] = f"call_{len(self._made)}"
        self._made[call_id] = part
        field = "input" if part.is_custom else "arguments"
        item: Item = {
            "type": "custom_tool_call" if part.is_custom else "function_call",
            "name": short_name(part.name),
            field: part.arguments if part.arguments or part.is_custom else "{}",
            "call_id": call_id,
        }
        return {**item, "namespace": part.namespace} if part.namespace else item

    def result(self, part: ResultPart, files: Mapping[str, InlineFile]) -> Item:
        call_id = part.call_id or self._unnamed.get(part.name, "")
        made = self._made.get(call_id)
        if made is None:
            message = f"{part.path}: no tool call found for the result of {call_id or part.name!r}."
            raise RequestError(message, param=part.path)
        self._answered.add(call_id)
        content = [_content(each, files, "user") for each in part.content]
        is_text = all(isinstance(each, TextPart) for each in part.content)
        return {
            "type": "custom_tool_call_output" if made.is_custom else "function_call_output",
            "call_id": call_id,
            "output": part.text if is_text else content,
        }

    def check(self) -> None:
        missing = next((call for call in self._made if call not in self._answered), None)
        if missing is not None:
            path = self._made[missing].path
            message = f"{path}: no tool output found for function call {missing}; send its result after it."
            raise RequestError(message, param=path)
