"""What is to be read aloud, as the records that the port `Speech` takes."""

from msgspec import Struct

from service.vocabulary.requests import ChatRequest


class StoredMessage(Struct, frozen=True):
    """An answer that the upstream has."""

    conversation_id: str
    message_id: str


class SpeechOrder(Struct, frozen=True):
    """What is to be heard, after validation; `voice` is one of the upstream's.

    Either a `message` that is there, or `text`, which the turn `chat` has repeated.
    """

    voice: str
    format: str
    text: str = ""
    chat: ChatRequest | None = None
    message: StoredMessage | None = None
    ignored_fields: tuple[str, ...] = ()
