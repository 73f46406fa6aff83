"""The body of a turn, read into what the scenarios need (protocol 1.2 to 1.6)."""

from typing import Any

import msgspec

from upstream.demo.ground.refusals import Refusal, detail
from upstream.demo.ground.words import Commands, is_chinese, plain_text, read_commands
from upstream.demo.scenes.script import Message

EFFORTS = {"standard", "extended", "max", "min", "ultra", "xhigh", "zero"}


class Said(msgspec.Struct, frozen=True):
    """One message of the talk so far."""

    role: str
    text: str


class Attachment(msgspec.Struct, frozen=True):
    """A file that a message names."""

    id: str
    name: str


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One turn as it was asked."""

    owner: str
    """The account that asks."""
    text: str
    """The last user message, without commands to the demo."""
    raw_text: str
    sent: tuple[Message, ...]
    history: tuple[Said, ...] = ()
    """All messages up to the question, those of a stored conversation first."""
    attachments: tuple[Attachment, ...] = ()
    model: str
    gizmo_id: str = ""
    hints: frozenset[str] = frozenset()
    is_temporary: bool = False
    wants_v1: bool = False

    @property
    def is_chinese(self) -> bool:
        """Whether to answer in Chinese."""
        return is_chinese(self.text)

    def words(self, english: str, chinese: str) -> str:
        """Return the one of two texts that is in the question's language."""
        return chinese if self.is_chinese else english

    @property
    def commands(self) -> Commands:
        """What the last user message asks the demo to play."""
        return read_commands(self.raw_text)


def read_question(body: dict[str, Any], stored: list[Message], owner: str) -> Question:
    """Return the typed question.

    Args:
        body: the decoded request.
        stored: the messages of the conversation that it continues, if any.
        owner: the account that asks.

    Raises:
        Refusal: 422, in one of the two shapes of protocol 4.2.
    """
    sent = _sent_messages(body)
    if body.get("thinking_effort") not in (EFFORTS | {None}):
        raise Refusal(422, detail("Invalid conversation body"))
    said = tuple(Said(message["author"]["role"], text_of(message)) for message in [*stored, *sent])
    raw_text = next((one.text for one in reversed(said) if one.role == "user"), "")
    mode = body.get("conversation_mode") or {}
    return Question(
        owner=owner,
        text=plain_text(raw_text),
        raw_text=raw_text,
        sent=sent,
        history=said,
        attachments=tuple(_attachments(sent)),
        model=str(body.get("model") or "auto"),
        gizmo_id=str(mode.get("gizmo_id") or ""),
        hints=frozenset(body.get("system_hints") or ()),
        is_temporary=bool(body.get("history_and_training_disabled")),
        wants_v1="v1" in (body.get("supported_encodings") or ()),
    )


def text_of(message: Message) -> str:
    """Return the plain text of a message."""
    parts = message.get("content", {}).get("parts") or ()
    return "\n".join(part for part in parts if isinstance(part, str))


def _sent_messages(body: dict[str, Any]) -> tuple[Message, ...]:
    messages = body.get("messages") or []
    if body.get("action") not in {"next", "variant", "continue"}:
        raise _missing("action")
    if not messages and not body.get("conversation_id"):
        raise _missing("messages")
    for message in messages:
        if not message.get("id") or not message.get("author", {}).get("role"):
            raise _missing("messages", "id")
    return tuple(messages)


def _missing(*path: str) -> Refusal:
    missing = {"loc": ["body", *path], "msg": "field required", "type": "value_error.missing"}
    return Refusal(422, {"detail": [missing]})


def _attachments(sent: tuple[Message, ...]) -> list[Attachment]:
    named: dict[str, Attachment] = {}
    for message in sent:
        for item in message.get("metadata", {}).get("attachments") or ():
            named[item["id"]] = Attachment(item["id"], str(item.get("name") or ""))
        for part in message.get("content", {}).get("parts") or ():
            if isinstance(part, dict) and part.get("asset_pointer"):
                file_id = part["asset_pointer"].partition("://")[2]
                named.setdefault(file_id, Attachment(file_id, ""))
    return list(named.values())
