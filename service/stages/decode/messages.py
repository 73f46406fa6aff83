"""Reads one message object and tells its kind (protocol 2.2, 2.3, 2.11)."""

from enum import Enum, auto
from typing import Any

from service.vocabulary.events import Message
from service.vocabulary.text import join_surrogates

# Tool names seen to make pictures (protocol 2.6). Names change, so they only add to the signs on
# the message itself and are never required.
_IMAGE_TOOLS = ("dalle", "t2uay3k", "image_gen", "ghostrider/ImageGen", "n7jupd")
_ANSWER_CHANNELS = (None, "", "final")
_TEXT_TYPES = ("text", "multimodal_text")
_GROWING = ("in_progress", "")  # the status of a message that may grow; a finished one has many
_REASONING_SIGNS = ("initial_text", "finished_text")


class MessageKind(Enum):
    """The kinds of messages, by what a caller gets of them."""

    HIDDEN = auto()
    ANSWER = auto()
    CODE = auto()  # for the reader or hidden: its end tells
    TOOL_CALL = auto()
    TOOL_RESULT = auto()
    TOOL_ERROR = auto()
    TOOL_MEDIA = auto()
    REASONING = auto()


_ANSWER, _HIDDEN = MessageKind.ANSWER, MessageKind.HIDDEN  # a member is slow to look up


def read_message(raw: dict[str, Any]) -> Message | None:
    """Return a message, with fields of unexpected types left out; None without an id.

    A malformed `metadata` must not cost the text beside it.
    """
    message_id = raw.get("id")
    if not isinstance(message_id, str) or not message_id:
        return None
    author = _dict(raw.get("author"))
    content = _dict(raw.get("content"))
    role = _str(author.get("role"))
    text, pointers = _read_parts(content.get("parts"), role)
    return Message(
        id=message_id,
        role=role,
        name=_str(author.get("name")) or None,
        content_type=_str(content.get("content_type")),
        text=text,
        is_finished=_str(raw.get("status")) not in _GROWING,
        recipient=_str(raw.get("recipient")) or "all",
        channel=_str(raw.get("channel")) or None,
        is_end_turn=raw.get("end_turn") is True,
        pointers=pointers,
        content=content,
        metadata=_dict(raw.get("metadata")),
    )


def _read_parts(parts: Any, role: str) -> tuple[str, tuple[dict[str, Any], ...]]:
    """Return the text of all parts, and those that are objects."""
    if not isinstance(parts, list):
        return "", ()
    if len(parts) == 1 and isinstance(parts[0], str):
        return parts[0], ()  # nearly always
    texts = [text for part in parts if (text := _part_text(part, role)) is not None]
    text = join_surrogates("".join(texts))
    return text, tuple(part for part in parts if isinstance(part, dict))


def _part_text(part: Any, role: str) -> str | None:
    """Return the text of a part: the string itself, or the transcript of the assistant's voice."""
    if isinstance(part, str):
        return part
    is_spoken = isinstance(part, dict) and part.get("content_type") == "audio_transcription"
    return _str(part.get("text")) if is_spoken and role == "assistant" else None


def kind_of(message: Message) -> MessageKind:
    """Tell the kind of a message by role, recipient, channel and content type, never by name."""
    if message.metadata.get("is_visually_hidden_from_conversation") is True:
        return _HIDDEN
    if message.role == "assistant":
        return _kind_of_assistant(message)
    if message.role == "tool":
        return _kind_of_tool(message)
    return _HIDDEN


def _kind_of_assistant(message: Message) -> MessageKind:
    kind = message.content_type
    is_text, is_to_all = kind in _TEXT_TYPES, message.recipient == "all"
    if is_text and is_to_all:
        return _ANSWER if message.channel in _ANSWER_CHANNELS else MessageKind.REASONING
    if kind in ("thoughts", "reasoning_recap"):
        return MessageKind.REASONING
    if kind == "system_error":
        return MessageKind.TOOL_ERROR
    if kind == "code" and is_to_all and message.channel in _ANSWER_CHANNELS:
        return MessageKind.CODE
    return MessageKind.TOOL_CALL if is_text or kind == "code" else _HIDDEN


def _kind_of_tool(message: Message) -> MessageKind:
    match message.content_type:
        case "execution_output":
            return MessageKind.TOOL_RESULT
        case "system_error":
            return MessageKind.TOOL_ERROR
        case "multimodal_text":
            return MessageKind.TOOL_MEDIA
        case "text" if _is_reasoning_step(message):
            return MessageKind.REASONING
    return MessageKind.HIDDEN


def _is_reasoning_step(message: Message) -> bool:
    """Tell whether a tool's text is a reasoning step of the 2024 kind (protocol 2.10)."""
    return any(
        key in _REASONING_SIGNS or (key.startswith("reasoning_") and value is not None)
        for key, value in message.metadata.items()
    )


def is_final_answer(message: Message) -> bool:
    """Tell whether a message itself says that the turn is over (protocol 2.12)."""
    is_last = message.is_end_turn and message.is_finished
    return is_last and kind_of(message) in (MessageKind.ANSWER, MessageKind.CODE)


def is_code_answer(message: Message) -> bool:
    """Tell whether code for the reader is an answer: it ends the turn, or is on channel `final`."""
    return message.channel == "final" or message.is_end_turn


def call_text(message: Message) -> str:
    """Return the text of a tool call: the source of `code`, else its parts."""
    text = message.content.get("text")
    return text if message.content_type == "code" and isinstance(text, str) else message.text


def call_language(message: Message) -> str:
    """Return the fence's language for a tool call, empty when unknown."""
    language = _str(message.content.get("language"))
    is_known = language != "unknown" and language.replace("+", "").replace("-", "").isalnum()
    return language if is_known else ""


def result_text(message: Message) -> str:
    """Return the text of `execution_output` or `system_error`."""
    return _str(message.content.get("text")) or message.text


def reasoning_text(message: Message) -> str:
    """Return the final part of a message's reasoning text.

    A thought with only a summary may still get its content, so the last one waits until it is
    finished or another follows.
    """
    if message.content_type == "thoughts":
        return "\n\n".join(_settled_thoughts(message))
    if message.content_type == "reasoning_recap":
        return _str(message.content.get("content")) or message.text
    if message.text or not message.is_finished:
        return message.text
    return next((text for key in _REASONING_SIGNS if (text := _str(message.metadata.get(key)))), "")


def _settled_thoughts(message: Message) -> list[str]:
    thoughts = message.content.get("thoughts")
    thoughts = [t for t in thoughts if isinstance(t, dict)] if isinstance(thoughts, list) else []
    texts: list[str] = []
    for place, thought in enumerate(thoughts):
        is_last = place == len(thoughts) - 1
        is_settled = not is_last or thought.get("finished") is True or message.is_finished
        summary = _str(thought.get("summary")) if is_settled else ""
        texts.append(_str(thought.get("content")) or summary)
    return [text for text in texts if text]


def is_image_tool(name: str | None) -> bool:
    """Tell whether this tool is known to make pictures."""
    return name is not None and name.startswith(_IMAGE_TOOLS)


def finish_type(message: Message) -> str | None:
    """Return the type of `finish_details`: `stop`, `max_tokens`, `interrupted`, ..., or None."""
    return _str(_dict(message.metadata.get("finish_details")).get("type")) or None


def answering_model(message: Message) -> str | None:
    """Return the slug of the model that wrote this message, if it has one."""
    metadata = message.metadata
    return _str(metadata.get("resolved_model_slug")) or _str(metadata.get("model_slug")) or None


def consent_wanted(message: Message) -> str | None:
    """Return the name in a GPT action's request for consent (protocol 2.8), maybe empty, or None."""
    data = message.metadata.get("jit_plugin_data")
    if not isinstance(data, dict):
        return None
    offer = _dict(data.get("from_server"))
    if offer.get("type") != "confirm_action":
        return None
    body = _dict(offer.get("body"))
    return _str(body.get("connector_name")) or _str(body.get("domain")) or message.name or ""


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _str(value: Any) -> str:
    return value if isinstance(value, str) else ""
