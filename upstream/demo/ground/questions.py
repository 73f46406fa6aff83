"""The body of a turn, read into what the scenarios need (protocol 1.2 to 1.6)."""

import re
from typing import Any

import msgspec

from upstream.demo.ground.refusals import Refusal, detail
from upstream.demo.ground.script import Message

EFFORTS = {"standard", "extended", "max", "min", "ultra", "xhigh", "zero"}
FAULT = re.compile(r"/fault\s+(?P<once>once:)?(?P<name>[A-Za-z0-9:_]+)(?P<args>(?:[ \t]+[\d.]+)*)")
MARK = re.compile(r"/mark\s+(?P<name>[A-Za-z0-9_-]{1,64})")
"""A name under which `/demo/plays` tells what was played."""
SCENE = re.compile(r"/scene\s+(?P<name>[a-z_0-9]+)")


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
    conversation_id: str = ""
    is_temporary: bool = False
    wants_v1: bool = False

    @property
    def is_chinese(self) -> bool:
        """Whether to answer in Chinese."""
        return bool(re.search(r"[\u4e00-\u9fff]", self.text))

    @property
    def scene(self) -> str:
        """The scenario that `/scene NAME` asks for, or an empty string."""
        found = SCENE.search(self.raw_text)
        return found["name"] if found else ""

    @property
    def mark(self) -> str:
        """The name that `/mark NAME` gives this turn, or an empty string."""
        found = MARK.search(self.raw_text)
        return found["name"] if found else ""


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
        text=MARK.sub("", SCENE.sub("", FAULT.sub("", raw_text))).strip(),
        raw_text=raw_text,
        sent=sent,
        history=said,
        attachments=tuple(_attachments(sent)),
        model=str(body.get("model") or "auto"),
        gizmo_id=str(mode.get("gizmo_id") or ""),
        hints=frozenset(body.get("system_hints") or ()),
        conversation_id=str(body.get("conversation_id") or ""),
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
        raise Refusal(422, _missing("action"))
    if not messages and not body.get("conversation_id"):
        raise Refusal(422, _missing("messages"))
    for message in messages:
        if not message.get("id") or not message.get("author", {}).get("role"):
            raise Refusal(422, _missing("messages", "id"))
    return tuple(messages)


def _missing(*path: str) -> dict[str, Any]:
    return {
        "detail": [{"loc": ["body", *path], "msg": "field required", "type": "value_error.missing"}]
    }


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
