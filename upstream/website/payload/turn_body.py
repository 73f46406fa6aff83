"""A checked request turned into the JSON body of a turn (protocol 1.2, 1.4, 1.6; spec 6.2).

The whole history is sent in order, each message with an id made here. The upstream echoes what it
was sent, and these ids tell the echo from the answer.
"""

import time
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from service.random_ids import random_uuid
from service.vocabulary.events import SentHistory
from service.vocabulary.requests import ChatMessage, ChatRequest, FilePart, Wishes
from service.vocabulary.text import well_formed
from upstream.website.payload.attachments import UploadedFile

# The upstream accepts no tool results of a caller's functions, so the user reports them as text.
_TOOL_ROLES = frozenset({"tool", "function"})
_TOOL_HEADING = "[Tool result]"
_EFFORTS = {"high": "extended", "xhigh": "max", "max": "max", "ultra": "max"}
# The web client always sends these; `force_use_sse` keeps the answer off the WebSocket of 2024.
_SWITCHES: dict[str, Any] = {
    "action": "next",
    "suggestions": [],
    "force_paragen": False,
    "force_paragen_model_slug": "",
    "force_nulligen": False,
    "force_rate_limit": False,
    "force_use_sse": True,
    "reset_rate_limits": False,
    "variant_purpose": "comparison_implicit",
}


class ResolvedModel(Struct, frozen=True):
    """The upstream model, and perhaps the GPT, behind a public model name.

    `gizmo` is the GPT's whole object, if that is to be sent.
    """

    slug: str
    gizmo_id: str | None = None
    gizmo: dict[str, Any] | None = None


class TurnOptions(Struct, frozen=True):
    """The settings' part of every turn; the offset has JavaScript's sign: UTC+1 is -60.

    `takes_effort` says that the account may choose how much the model thinks.
    """

    is_temporary: bool = False
    encodings: tuple[str, ...] = ()
    timezone_offset_min: int = 0
    arkose_token: str | None = None
    takes_effort: bool = True


class TurnPayload(Struct, frozen=True):
    """The body of a turn, and the history by which its echo is recognised."""

    body: dict[str, Any]
    sent: SentHistory


# One field of the body after the other.
def build_turn(
    request: ChatRequest,
    model: ResolvedModel,
    uploads: Mapping[str, UploadedFile],
    options: TurnOptions | None = None,
) -> TurnPayload:
    """Return the body of the turn that answers the request.

    Args:
        request: the caller's.
        model: the one that its model name stands for.
        uploads: the files of its parts, by the part's path; each part has one.
        options: the settings' part.
    """
    options = options or TurnOptions()
    now = time.time()
    messages = [_message(message, uploads, now) for message in request.messages]
    body: dict[str, Any] = {
        **_SWITCHES,
        "messages": messages,
        "parent_message_id": well_formed(request.parent_message_id or random_uuid()),
        "model": model.slug,
        "timezone_offset_min": options.timezone_offset_min,
        "history_and_training_disabled": options.is_temporary,
        "conversation_mode": _conversation_mode(model),
        "websocket_request_id": random_uuid(),
    }
    if request.conversation_id:
        body["conversation_id"] = well_formed(request.conversation_id)
    if options.encodings:
        body["supported_encodings"] = list(options.encodings)
    _add_wishes(body, request.wishes, options)
    sent = SentHistory(
        message_ids=frozenset([message["id"] for message in messages]),
        assistant_texts=frozenset(
            [
                well_formed(message.text)
                for message in request.messages
                if message.role == "assistant" and message.text
            ]
        ),
        file_ids=frozenset([upload.file_id for upload in uploads.values()]),
        wants_previews=request.wants_previews,
    )
    return TurnPayload(body, sent)


def thinking_effort(wishes: Wishes) -> str:
    """Return the website's word for much effort; for less it has none that all accounts take."""
    return _EFFORTS.get(wishes.effort, "")


def _add_wishes(body: dict[str, Any], wishes: Wishes, options: TurnOptions) -> None:
    """Add the effort of thought and the tool of the website's to use, with its permission."""
    if options.arkose_token:
        body["arkose_token"] = options.arkose_token
    if options.takes_effort and (effort := thinking_effort(wishes)):
        body["thinking_effort"] = effort
    hints = ["search"] if wishes.wants_search else []
    if wishes.wants_picture:
        hints.append("picture_v2")
    if hints:
        body["system_hints"] = hints
        body["messages"][-1]["metadata"]["system_hints"] = hints


def _message(
    message: ChatMessage, uploads: Mapping[str, UploadedFile], now: float
) -> dict[str, Any]:
    files = [uploads[part.path] for part in message.parts if isinstance(part, FilePart)]
    pointers = [file.pointer() for file in files if file.is_picture]
    is_tool = message.role in _TOOL_ROLES
    text = well_formed(message.text)
    return {
        "id": random_uuid(),
        "author": {"role": "user" if is_tool else message.role},
        "content": {
            "content_type": "multimodal_text" if pointers else "text",
            "parts": [*pointers, f"{_TOOL_HEADING}\n{text}" if is_tool else text],
        },
        "metadata": {"attachments": [file.attachment() for file in files]} if files else {},
        "create_time": now,
    }


def _conversation_mode(model: ResolvedModel) -> dict[str, Any]:
    if model.gizmo_id is None:
        return {"kind": "primary_assistant"}
    mode = {"kind": "gizmo_interaction", "gizmo_id": model.gizmo_id}
    return mode | {"gizmo": model.gizmo} if model.gizmo else mode
