"""Writes a script: the moves that the rows of every scenario are made of."""

import re
import time
import uuid
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from upstream.demo.scenes.files import Files
from upstream.demo.scenes.questions import Question
from upstream.demo.scenes.script import (
    CODE_PATH,
    TEXT_PATH,
    Begin,
    Change,
    Grow,
    Message,
    Note,
    Script,
    Step,
    Wait,
)

SHORT_CHARS = 24
"""An answer up to this long comes only with its closing event (protocol 3.7, 2.1)."""
PIECE = re.compile(
    r"\s*[^\s\u3000-\u9fff\uff00-\uffef]{1,12}|\s*[\u3000-\u9fff\uff00-\uffef]{1,3}|\s+"
)
Text = str | Sequence[str]
"""A text, or one that is cut into pieces already."""
FINISHED = Change("/message/status", "replace", "finished_successfully")
CALLED = (FINISHED, Change("/message/end_turn", "replace", False))


def pieces_of(text: str) -> list[str]:
    """Return a text in the pieces it streams in."""
    return PIECE.findall(text)


class Scene:
    """The script of one turn while it is written; moves that make a message return its id."""

    def __init__(self, question: Question, conversation_id: str, files: Files) -> None:
        self.question = question
        self.conversation_id = conversation_id
        self.files = files
        self.late: list[Message] = []
        """Messages that join the stored conversation after the stream."""
        self.steps: list[Step] = []
        self._parent_id = question.sent[-1]["id"] if question.sent else str(uuid.uuid4())
        self._has_spoken = False

    @property
    def last_id(self) -> str:
        """The id of the newest message of the stream."""
        begun = [one for one in self.steps if isinstance(one, Begin) and not one.is_echo]
        return str(begun[-1].message["id"] if begun else self._parent_id)

    def script(self, scenario: str) -> Script:
        """Return the steps written so far as a script."""
        return Script(self.conversation_id, scenario, tuple(self.steps))

    def message(self, role: str, *, text: str = "", **fields: Any) -> Message:
        """Return a new message of text or `content`; `metadata` adds to what all messages carry."""
        content = fields.pop("content", None) or {"content_type": "text", "parts": [text]}
        metadata = {"parent_id": self._parent_id, **fields.pop("metadata", {})}
        message = {
            "id": str(uuid.uuid4()),
            "author": {"role": role, "name": fields.pop("name", None), "metadata": {}},
            "create_time": time.time(),
            "update_time": None,
            "content": content,
            "status": "finished_successfully",
            "end_turn": None,
            "weight": 1.0,
            "metadata": metadata,
            "recipient": "all",
            "channel": None,
            **fields,
        }
        self._parent_id = message["id"]
        return message

    def begin(self, role: str, **fields: Any) -> str:
        """Let a message appear."""
        message = self.message(role, **fields)
        self.steps.append(Begin(message))
        return str(message["id"])

    def later(self, role: str, **fields: Any) -> None:
        """Let a message join the stored conversation after the stream."""
        self.late.append(self.message(role, **fields))

    def tool(self, name: str, **fields: Any) -> str:
        """Let a tool answer, finished at once."""
        return self.begin("tool", name=name, **fields)

    def echo(self, messages: Sequence[Message]) -> None:
        """Let sent messages pass by as bare objects, and say which one is answered."""
        echoed = [_as_echoed(message) for message in messages]
        self.steps += [Begin(message, is_echo=True) for message in echoed]
        if echoed:
            self.note({"type": "input_message", "input_message": _as_echoed(messages[-1])})

    def note(self, event: dict[str, Any]) -> None:
        """Send an event that is no message."""
        self.steps.append(Note({**event, "conversation_id": self.conversation_id}))

    def wait(self, beats: float) -> None:
        """Be silent."""
        self.steps.append(Wait(beats))

    def change(self, message_id: str, to: Iterable[Sequence[Any]], base: str = "") -> None:
        """Change a message in one event; `to` has a path, an operation and a value in each item."""
        changes = tuple(Change(*one) for one in to)
        self.steps.append(Grow(message_id, changes, base))

    def finish(self, message_id: str) -> None:
        """Finish a message that does not end the turn."""
        self.steps.append(Grow(message_id, CALLED))

    def grow(self, message_id: str, text: Text, path: str = TEXT_PATH, **flags: bool) -> None:
        """Let text grow in pieces; it is visible at `TEXT_PATH` unless `is_answer` is false."""
        is_content = flags.get("is_answer", path == TEXT_PATH)
        for piece in pieces_of(text) if isinstance(text, str) else text:
            change = Change(path, "append", piece)
            self.steps.append(Grow(message_id, (change,), is_content=is_content))

    def start(self, metadata: dict[str, Any] | None = None) -> str:
        """Begin a visible answer, still empty."""
        model = self.question.model
        own = {"message_type": "next", "model_slug": model, "default_model_slug": model}
        told = {**own, "citations": [], "content_references": [], **(metadata or {})}
        message_id = self.begin("assistant", status="in_progress", metadata=told)
        if not self._has_spoken:
            self._has_spoken = True
            marker = {"type": "message_marker", "message_id": message_id}
            self.note({**marker, "marker": "user_visible_token", "event": "first"})
        return message_id

    def close(self, message_id: str, *first: Change, ends: bool = True, finish: str = "") -> None:
        """Finish a visible answer; `first` are changes that come in the same event."""
        status = "finished_partial_completion" if finish == "max_tokens" else FINISHED.value
        done = {"is_complete": True, "finish_details": {"type": finish or "stop"}}
        last = (
            Change("/message/status", "replace", status),
            Change("/message/end_turn", "replace", ends),
            Change("/message/metadata", "append", done),
        )
        self.steps.append(Grow(message_id, first + last, is_closing=True))

    def say(self, text: Text, *, ends: bool = True) -> str:
        """Say something to the user from its first to its last word."""
        message_id = self.start()
        if isinstance(text, str) and len(text) <= SHORT_CHARS:
            self.close(message_id, Change(TEXT_PATH, "append", text), ends=ends)
        else:
            self.grow(message_id, text)
            self.close(message_id, ends=ends)
        return message_id

    def call(self, recipient: str, text: str = "", json: Any = None, language: str = "") -> str:
        """Let the assistant call a tool, with a text or with JSON."""
        code = {"content_type": "code", "language": language or "unknown"}
        fields = {
            "content": {**code, "response_format_name": None, "text": ""},
            "metadata": {"message_type": "next", "model_slug": self.question.model},
        }
        message_id = self.begin("assistant", recipient=recipient, status="in_progress", **fields)
        self.grow(message_id, text or orjson.dumps(json).decode(), CODE_PATH)
        self.finish(message_id)
        return message_id


def _as_echoed(sent: Message) -> Message:
    """Return a sent message as the upstream shows it again: finished, turn ended."""
    author = {"name": None, "metadata": {}, **sent["author"]}
    return {
        "create_time": None,
        "update_time": None,
        "metadata": {},
        **sent,
        "author": author,
        "status": "finished_successfully",
        "end_turn": True if author["role"] == "assistant" else None,
        "weight": 1.0,
        "recipient": "all",
        "channel": None,
    }
