"""What decoders and the parts beside them pass to each other."""

from typing import Any

from msgspec import Struct

from service.vocabulary.text import Pieces


class DocumentChanged(Struct, frozen=True):
    """The document after an operation: `{message, conversation_id, error, …}`."""

    document: Any


class Growth(Struct):
    """Text being appended to one place of a document, not yet joined to it."""

    path: str
    message_id: str
    pieces: Pieces


class Run(Struct, frozen=True, gc=False):
    """The events at the start of a chunk: `count` of them, `size` bytes long, which add `text`.

    `event` is the last of them where each repeats the whole answer, else empty.
    """

    text: str
    count: int
    size: int
    event: bytes = b""


class Growing(Struct, frozen=True, gc=False):
    """A visible message that is growing; `held` is the end of its text, not sent yet."""

    message_id: str
    text: str
    held: str
