"""Writes a script: the moves that every scenario is made of."""

import re
import time
import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from upstream.demo.ground.files import Files
from upstream.demo.ground.questions import Question
from upstream.demo.ground.script import (
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
    Whole,
)

SHORT_CHARS = 24
"""An answer up to this long comes only with its closing event (protocol 3.7, 2.1)."""
PIECE = re.compile(
    r"\s*[^\s\u3000-\u9fff\uff00-\uffef]{1,12}|\s*[\u3000-\u9fff\uff00-\uffef]{1,3}|\s+"
)
FINISHED = Change("/message/status", "replace", "finished_successfully")


def pieces_of(text: str) -> list[str]:
    """Return a text in the pieces it streams in."""
    return PIECE.findall(text)


def text_content(*parts: str) -> dict[str, Any]:
    """Return plain text content."""
    return {"content_type": "text", "parts": list(parts)}


def code_content(text: str = "", language: str = "unknown") -> dict[str, Any]:
    """Return a tool call's content."""
    return {
        "content_type": "code",
        "language": language,
        "response_format_name": None,
        "text": text,
    }


class Scene:
    """The script of one turn while it is written."""

    def __init__(self, question: Question, conversation_id: str, files: Files) -> None:
        self.question = question
        self.conversation_id = conversation_id
        self.files = files
        self.later: list[Message] = []
        """Messages that join the stored conversation after the stream."""
        self.steps: list[Step] = []
        self.use_case = "text"
        self._parent_id = question.sent[-1]["id"] if question.sent else str(uuid.uuid4())
        self._has_spoken = False

    def script(self, scenario: str) -> Script:
        """Return what was written."""
        return Script(self.conversation_id, scenario, tuple(self.steps))

    def words(self, english: str, chinese: str) -> str:
        """Return the one in the language of the question."""
        return chinese if self.question.is_chinese else english

    def message(self, role: str, content: dict[str, Any], **fields: Any) -> Message:
        """Return a new message; `metadata` adds to what all messages carry."""
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

    def begin(self, message: Message) -> str:
        """Let a message appear and return its id."""
        self.steps.append(Begin(message))
        return str(message["id"])

    def echo(self, message: Message) -> None:
        """Let a finished message pass by as a bare object."""
        self.steps.append(Whole(message))

    def note(self, kind: str, /, **fields: Any) -> None:
        """Send a typed event."""
        self.steps.append(Note({"type": kind, **fields, "conversation_id": self.conversation_id}))

    def wait(self, beats: float) -> None:
        """Be silent."""
        self.steps.append(Wait(beats))

    def change(self, message_id: str, *changes: Change, base: str = "") -> None:
        """Change a message in one event."""
        self.steps.append(Grow(message_id, changes, base))

    def grow(self, message_id: str, pieces: Iterable[str], path: str = TEXT_PATH) -> None:
        """Let text grow piece by piece; at `TEXT_PATH` it counts as answer text."""
        for piece in pieces:
            self.steps.append(
                Grow(
                    message_id,
                    (Change(path, "append", piece),),
                    is_content=path == TEXT_PATH,
                )
            )

    def hand_over(self) -> None:
        """Say that the answer continues elsewhere (protocol 4.6)."""
        self.note(
            "stream_handoff",
            turn_exchange_id=str(uuid.uuid4()),
            options=[
                {
                    "type": "subscribe_ws_topic",
                    "topic_id": f"conversation-turn-{self.conversation_id}",
                },
                {"type": "resume_sse_endpoint"},
            ],
        )

    def start(self, **fields: Any) -> str:
        """Begin a visible answer, still empty, and return its id."""
        metadata = {
            "message_type": "next",
            "model_slug": self.question.model,
            "default_model_slug": self.question.model,
            "citations": [],
            "content_references": [],
            **fields.pop("metadata", {}),
        }
        message_id = self.begin(
            self.message(
                "assistant",
                text_content(""),
                **{"status": "in_progress", "metadata": metadata, **fields},
            )
        )
        if not self._has_spoken:
            self._has_spoken = True
            self.mark(message_id, "user_visible_token", "first")
        return message_id

    def close(
        self, message_id: str, *first: Change, ends: bool = True, finish: str = "stop"
    ) -> None:
        """Finish a visible answer; `first` are changes that come in the same event."""
        status = "finished_partial_completion" if finish == "max_tokens" else FINISHED.value
        done: dict[str, Any] = {"is_complete": True, "finish_details": {"type": finish}}
        self.steps.append(
            Grow(
                message_id,
                (
                    *first,
                    Change("/message/status", "replace", status),
                    Change("/message/end_turn", "replace", ends),
                    Change("/message/metadata", "append", done),
                ),
                is_closing=True,
            )
        )

    def say(self, text: str, *, pieces: Sequence[str] = (), ends: bool = True) -> str:
        """Say something to the user from its first to its last word; return the id."""
        message_id = self.start()
        if len(text) <= SHORT_CHARS and not pieces:
            self.close(message_id, Change(TEXT_PATH, "append", text), ends=ends)
        else:
            self.grow(message_id, pieces or pieces_of(text))
            self.close(message_id, ends=ends)
        return message_id

    def call(self, recipient: str, text: str, language: str = "unknown") -> str:
        """Let the assistant call a tool; return the call's id."""
        message_id = self.begin(
            self.message(
                "assistant",
                code_content(language=language),
                recipient=recipient,
                status="in_progress",
                metadata={"message_type": "next", "model_slug": self.question.model},
            )
        )
        self.grow(message_id, pieces_of(text), CODE_PATH)
        self.change(message_id, FINISHED, Change("/message/end_turn", "replace", False))
        return message_id

    def tool(self, name: str, content: dict[str, Any], **fields: Any) -> str:
        """Let a tool answer, finished at once; return the id."""
        return self.begin(self.message("tool", content, name=name, **fields))

    def mark(self, message_id: str, marker: str, which: str) -> None:
        """Send a timing marker."""
        self.note("message_marker", message_id=message_id, marker=marker, event=which)

    @property
    def last_id(self) -> str:
        """The id of the newest message of the stream."""
        begun = (step.message["id"] for step in reversed(self.steps) if isinstance(step, Begin))
        return str(next(begun, self._parent_id))
