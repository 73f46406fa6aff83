"""Requests of the Messages dialect, read as the handlers read them."""

from typing import Any

import msgspec

from handlers.messages.fields import Asked, asked_message
from handlers.reading.common_fields import Arrival
from service.demands.instructions import told_history
from service.vocabulary.requests import ChatMessage, Profile

HELLO = {"role": "user", "content": "Hello"}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PICTURE = {
    "type": "image",
    "source": {"type": "base64", "media_type": "image/png", "data": PIXEL},
}


def asked(**body: Any) -> Asked:
    """Return the request read from a body, merged over a valid one."""
    whole = {"model": "gpt-4o", "max_tokens": 100, "messages": [HELLO], **body}
    arrival = Arrival("req_1", 0.0, "http://here", Profile.WEB)
    return asked_message(msgspec.json.encode(whole), arrival)


def told(*messages: dict[str, Any], **body: Any) -> list[tuple[str, str]]:
    """Return the messages of the request, by role and text."""
    told_in_words = told_history(asked(messages=messages, **body).chat.messages)
    return [(message.role, message.text) for message in told_in_words]


def last(*messages: dict[str, Any]) -> ChatMessage:
    """Return the last message, in words, as an upstream of words alone gets it."""
    return told_history(asked(messages=messages).chat.messages)[-1]
