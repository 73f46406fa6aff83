"""Summaries that stand for a conversation, as callers keep them: encrypted, for their owner (spec 18).

    {"type": "compaction", "encrypted_content": "summary:gAAAAAB…"}

Nothing is stored here. The model is told the summary in words where the item comes back.
"""

from collections.abc import Iterator
from typing import Any, Protocol

import msgspec
from msgspec import structs

from service.vocabulary.errors import RequestError
from service.vocabulary.requests import ChatMessage, ChatRequest, ItemPart, TextPart
from service.vocabulary.wire import to_json

SUMMARY_REQUEST = (
    "Sum up our conversation so far for a model that will go on with it and sees nothing else of "
    "it. Keep what the user wants and has said that still matters, word for word where the words "
    "matter; what was decided and why; names, numbers, paths, code and results that later steps "
    "need; what is done, and what is left to do. Leave out all else. Answer with the summary alone."
)
TOLD = "Our conversation so far was long, and is given as this summary of it:"
MAX_SEALED_CHARS = 1024 * 1024  # of one that comes back; a summary is a few pages
_OPENING = "summary:"


class Sealer(Protocol):
    """Encrypts small values that callers keep for this gateway."""

    def encrypt(self, value: bytes) -> bytes:
        """Return the value sealed, in ASCII: without the secret it can be neither read nor forged."""

    def decrypt(self, sealed: bytes) -> bytes | None:
        """Return the opened value, or None if it was sealed with a foreign secret or changed."""


def sealed_summary(sealer: Sealer, owner: str, text: str) -> str:
    """Return a summary that only this gateway can read, and only for its owner."""
    return _OPENING + sealer.encrypt(to_json([owner, text])).decode()


def with_summaries(
    chat: ChatRequest, sealer: Sealer, owner: str, *, is_native: bool
) -> ChatRequest:
    """Return a turn with its summaries in words.

    Args:
        chat: the turn.
        sealer: has sealed them.
        owner: of the turn.
        is_native: the upstream reads compactions of its own.

    Raises:
        RequestError: a compaction is another's, or of another upstream.
    """

    def told(message: ChatMessage) -> Iterator[ChatMessage]:
        for part in message.parts:
            match part:
                case ItemPart({"type": "compaction"} as item, path):
                    text = _opened(item, path, sealer, owner)
                    if text is None and not is_native:
                        problem = (
                            "this compaction was made on a Codex account, which alone can read it"
                        )
                        raise _refusal(path, f"{problem}; send the messages that it stands for")
                    if text is not None:
                        yield ChatMessage("user", (TextPart(f"{TOLD}\n\n{text}"),))
                        return
                case _:
                    pass
        yield message

    if not any(isinstance(part, ItemPart) for each in chat.messages for part in each.parts):
        return chat
    messages = tuple(one for message in chat.messages for one in told(message))
    return structs.replace(chat, messages=messages)


def _opened(item: dict[str, Any], path: str, sealer: Sealer, owner: str) -> str | None:
    """Return the summary of a compaction, None for one that this gateway did not make."""
    sealed = item.get("encrypted_content")
    if not isinstance(sealed, str):
        raise _refusal(f"{path}.encrypted_content", "expected a string")
    if not sealed.startswith(_OPENING):
        return None
    if len(sealed) > MAX_SEALED_CHARS:
        raise _refusal(path, f"expected a compaction of up to {MAX_SEALED_CHARS} characters")
    raw = sealer.decrypt(sealed.removeprefix(_OPENING).encode("utf-8", "replace"))
    kept = None if raw is None else msgspec.json.decode(raw, type=tuple[str, str])
    if kept is None or kept[0] != owner:
        problem = "this compaction was made for another key, or with a secret that is gone"
        raise _refusal(path, f"{problem}; send the messages that it stands for")
    return kept[1]


def _refusal(path: str, problem: str) -> RequestError:
    """Return the 400 for a compaction, named by its path."""
    return RequestError(f"{path}: {problem}.", param=path)
