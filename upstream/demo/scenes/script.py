"""A script: the steps by which the messages of one answer come to be.

A script knows nothing of the wire. `stream.py` renders it in either generation,
and `final_messages` tells what is stored when it is over.
"""

import copy
from collections.abc import Iterable
from typing import Any

import msgspec

Message = dict[str, Any]

TEXT_PATH = "/message/content/parts/0"
CODE_PATH = "/message/content/text"


class Change(msgspec.Struct, frozen=True):
    """One operation of protocol 3.4 on a message's document."""

    path: str
    operation: str
    value: Any


class Begin(msgspec.Struct, frozen=True):
    """A message appears, as it is at first."""

    message: Message
    is_echo: bool = False
    """Whether it was sent by the caller; both generations send it as a bare object."""


class Grow(msgspec.Struct, frozen=True):
    """Changes that reach the wire in one event."""

    message_id: str
    changes: tuple[Change, ...]
    base: str = ""
    """Path that the changes are relative to (the outer path of a v1 patch)."""
    is_content: bool = False
    """Whether visible answer text grows; faults count these."""
    is_closing: bool = False
    """Whether a visible message finishes; faults act before it at the latest."""


class Note(msgspec.Struct, frozen=True):
    """A typed event, or a trailer of 2023 without a type."""

    event: dict[str, Any]


class Wait(msgspec.Struct, frozen=True):
    """Silence, in beats; one beat is the pause before a piece of text."""

    beats: float


Step = Begin | Grow | Note | Wait


class Script(msgspec.Struct, frozen=True):
    """All that one turn says."""

    conversation_id: str
    scenario: str
    steps: tuple[Step, ...]


class Documents:
    """The messages of a script as they stand after the steps so far."""

    def __init__(self) -> None:
        self.by_id: dict[str, dict[str, Any]] = {}

    def begin(self, message: Message) -> None:
        """Add a message as it is at first."""
        self.by_id[message["id"]] = {"message": copy.deepcopy(message)}

    def grow(self, step: Grow) -> Message:
        """Apply a step and return the message as it now is."""
        document = self.by_id[step.message_id]
        for change in step.changes:
            _apply(document, step.base + change.path, change)
        message: Message = document["message"]
        return message


def final_messages(steps: Iterable[Step]) -> list[Message]:
    """Return the messages of a script as they are at its end, in order."""
    documents = Documents()
    for step in steps:
        match step:
            case Begin():
                documents.begin(step.message)
            case Grow():
                documents.grow(step)
            case Note() | Wait():
                pass
    return [document["message"] for document in documents.by_id.values()]


def joined(text: str) -> str:
    """Join surrogate halves that met; a half without its other stays."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def _apply(document: dict[str, Any], path: str, change: Change) -> None:
    *way, last = [int(part) if part.isdigit() else part for part in path.split("/")[1:]]
    parent: Any = document
    for key in way:
        parent = parent[key]
    if change.operation == "append":
        old = parent.get(last) if isinstance(parent, dict) else parent[last]
        parent[last] = _merged(old, change.value)
    elif change.operation == "add" and isinstance(parent, list):
        parent.insert(int(last), change.value)
    else:
        parent[last] = change.value


def _merged(old: Any, new: Any) -> Any:
    if old is None:
        return new
    if isinstance(old, str):
        return joined(old + new)
    return [*old, *new] if isinstance(old, list) else {**old, **new}
