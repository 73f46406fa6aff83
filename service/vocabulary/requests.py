"""Checked requests: the records that `handlers/` make and `upstream/` carries out."""

from enum import StrEnum
from pathlib import Path
from typing import Any

from msgspec import Struct

from service.vocabulary.byte_source import RemoteContent


class TextPart(Struct, frozen=True):
    """Plain text of a message; `is_refusal` marks an earlier refusal of the model."""

    text: str
    is_refusal: bool = False


class LocalFile(Struct, frozen=True):
    """A file on this machine's disk that lasts as long as the request.

    `name` and `media_type` are the sender's claims, cleaned; `name` is not a path.
    """

    path: Path
    name: str
    media_type: str
    size_bytes: int
    sha256: str


class Upload(Struct, frozen=True):
    """A file that a caller uploaded for later requests; times in seconds since 1970."""

    id: str
    name: str
    media_type: str
    size_bytes: int
    sha256: str
    purpose: str
    created_at: float
    expires_at: float


class Used(Struct, frozen=True):
    """How much an owner has stored here."""

    files: int
    size_bytes: int


class RemoteFile(Struct, frozen=True):
    """An uploaded file that is in a remote store."""

    upload: Upload
    content: RemoteContent


class FilePart(Struct, frozen=True):
    """A picture or file of a message: by URL, as data, by id, or already received.

    Exactly one of `url` (http or https), `data_url`, `file_id`, `local` and `remote` is not empty.
    `path` is its place in the request, for errors (`messages[0].content[1].image_url`), and
    `detail` how closely the model should look at a picture.
    """

    path: str
    url: str = ""
    data_url: str = ""
    file_id: str = ""
    filename: str = ""
    local: LocalFile | None = None
    remote: RemoteFile | None = None
    detail: str = ""


class CallPart(Struct, frozen=True):
    """A call of a function that the model made earlier; `path` as in `FilePart`.

    `arguments` is JSON text, or the input of a custom tool.
    """

    call_id: str
    name: str
    arguments: str
    path: str
    namespace: str = ""
    is_custom: bool = False


class ResultPart(Struct, frozen=True):
    """The result of a call; `name` is that of the function, where the caller repeated it."""

    call_id: str
    content: tuple[TextPart | FilePart, ...]
    path: str
    name: str = ""
    is_custom: bool = False

    @property
    def text(self) -> str:
        """All text of the result, joined by line feeds."""
        return "\n".join(part.text for part in self.content if isinstance(part, TextPart))


class SealedPart(Struct, frozen=True):
    """Encrypted earlier reasoning that only the back end that made it can read."""

    sealed: str
    summary: tuple[str, ...] = ()


class DrawnPart(Struct, frozen=True):
    """A picture that the model made earlier."""

    file: FilePart


class ItemPart(Struct, frozen=True):
    """An item, without its id, that only a back end of the Responses API understands.

    `path` as in `FilePart`.
    """

    item: dict[str, Any]
    path: str = ""


Part = TextPart | FilePart | CallPart | ResultPart | SealedPart | DrawnPart | ItemPart


class ChatMessage(Struct, frozen=True):
    """One message of the history; `role` is already one of the upstream's.

    `phase` tells commentary of an earlier answer from its final message.
    """

    role: str
    parts: tuple[Part, ...]
    phase: str = ""

    @property
    def text(self) -> str:
        """All text parts, joined by line feeds."""
        return "\n".join(part.text for part in self.parts if isinstance(part, TextPart))


class Profile(StrEnum):
    """How an answer is rendered (spec 7.3)."""

    WEB = "web"
    BOT = "bot"
    RAW = "raw"
    ITEMS = "items"
    BLOCKS = "blocks"


CUSTOM_INPUT = "input"  # the only argument of a custom tool
TOOL_SEARCH = "tool_search"
"""The name and kind of the tool by which a model finds tools that it was not told of."""


class Function(Struct, frozen=True):
    """A function of the caller's; `parameters` is the JSON Schema of its arguments.

    `name` is what the model calls it by, `path` where that schema stands in the request, for
    errors. One of a namespace has its own name and the namespace beside it. A custom tool takes
    one text, which the model writes as the argument `CUSTOM_INPUT`. `is_search` tells the one that
    finds more of them, and is called by an item of its own. `is_strict` asks for arguments
    that fit the schema without fail.
    """

    name: str
    path: str
    description: str = ""
    parameters: dict[str, Any] = {}
    namespace: str = ""
    own_name: str = ""
    is_custom: bool = False
    is_search: bool = False
    is_strict: bool = False


class JsonFormat(Struct, frozen=True):
    """JSON that the answer has to be: an object, or what fits a JSON Schema; the rest as above."""

    path: str
    schema: dict[str, Any] | None = None
    name: str = ""
    description: str = ""
    is_strict: bool = False


class Demand(Struct, frozen=True):
    """What an answer must contain besides words: calls of functions, JSON, or either.

    `must_call`: an answer without a call is not accepted. `is_legacy`: functions came in the form
    before `tools`, and calls are answered in it.
    """

    functions: tuple[Function, ...] = ()
    must_call: bool = False
    is_parallel: bool = True
    json_format: JsonFormat | None = None
    is_legacy: bool = False


class Wishes(Struct, frozen=True):
    """What a caller asks of the model besides words, in terms of the Responses API (openai-wire 8).

    Tools, choice and format are as they were sent, in that API's form; what an upstream cannot do
    of it is among the request's ignored fields. A text is empty, and a value None, where nothing
    was asked for. `is_sealed_wanted`: the caller takes sealed reasoning along; `included` are other parts of
    items to be told, by that API's names. `wants_search` and `wants_picture`: an answer without is
    none, which an upstream of its own tools can be hinted at.
    """

    tools: tuple[dict[str, Any], ...] = ()
    tool_choice: str | dict[str, Any] | None = None
    is_parallel: bool | None = None
    format: dict[str, Any] | None = None
    verbosity: str = ""
    effort: str = ""
    summary: str | None = None
    service_tier: str = ""
    cache_key: str = ""
    is_sealed_wanted: bool = False
    included: tuple[str, ...] = ()
    wants_search: bool = False
    wants_picture: bool = False


class PictureOrder(Struct, frozen=True):
    """Pictures to draw, for an upstream that takes such orders apart from chats (codex 5).

    `prompt` is the caller's. The request's only message says the same to a model that draws with a
    tool, and has the pictures to draw from; the one whose path is `mask_path` is the mask. `options`
    are size, quality, … by OpenAI's names; `previews` is how many precede each picture.
    """

    prompt: str
    count: int = 1
    options: dict[str, str | int] = {}
    mask_path: str = ""
    previews: int = 0


class ChatRequest(Struct, frozen=True):
    """A chat completion as requested, after validation.

    `public_url` is the base of links to stored files, without a trailing slash; `received_at` is a
    monotonic time in seconds; `needs_copies` stores pictures even where links of the upstream are
    handed out. Requests of one credential with the same `idempotency_key` share a turn; those of
    one `queue_party` take one place in the queue for the account's slots. `wants_previews` asks for
    pictures before they are done. `demand` is checked against the answer of an upstream that must
    be told of it in words; `wishes` are the same and more for an upstream that supports them.
    `asked_model` is the caller's own name where `model` replaces it, as for `tts-1`. With `picture`
    the turn draws, and with `is_compaction` it makes items that stand for the history, on an
    upstream that can.
    """

    request_id: str
    model: str
    messages: tuple[ChatMessage, ...]
    is_stream: bool
    is_usage_wanted: bool
    profile: Profile
    public_url: str
    received_at: float
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    conversation_id: str | None = None
    parent_message_id: str | None = None
    ignored_fields: tuple[str, ...] = ()
    needs_copies: bool = False
    idempotency_key: str = ""
    queue_party: str = ""
    wants_previews: bool = False
    demand: Demand | None = None
    wishes: Wishes = Wishes()
    asked_model: str = ""
    picture: PictureOrder | None = None
    is_compaction: bool = False


class ModelInfo(Struct, frozen=True):
    """One entry of `GET /v1/models`; `created` in seconds.

    The other fields are there where the upstream tells them: the context length in tokens, the
    input kinds, such as `text` and `image`, and the names of effort levels.
    """

    id: str
    created: int
    owned_by: str
    context_window: int | None = None
    input_modalities: tuple[str, ...] = ()
    reasoning_efforts: tuple[str, ...] = ()


class StoredMessage(Struct, frozen=True):
    """The place of an answer that the upstream has stored."""

    conversation_id: str
    message_id: str


class SpeechOrder(Struct, frozen=True):
    """A checked request for speech; `voice` is one of the upstream's.

    It reads either a stored `message`, or `text`, which the turn `chat` makes the model repeat.
    """

    voice: str
    format: str
    text: str = ""
    chat: ChatRequest | None = None
    message: StoredMessage | None = None
    ignored_fields: tuple[str, ...] = ()
