"""The records that stages exchange: the one vocabulary of the gateway.

    chunk (bytes) -> Frame -> UpstreamEvent -> Delta -> Rendered -> bytes for the caller

Unions follow, one for each border; the last one, `Rendered`, is in `service/vocabulary/rendered.py`.
A stage matches exhaustively over the union it reads, so a new kind is a type error in every stage
that forgot it. The usual kinds are `final`: `type(event) is TextAppended` costs far less than a
pattern, and narrows the union as well. All records are frozen; none holds a token of a caller.
"""

from enum import StrEnum
from typing import Any, final

from msgspec import Struct, field
from typing_extensions import override  # typing has it from 3.12 on

from service.vocabulary.native import NativeDelta, PictureFacts


class Failure(Struct, frozen=True):
    """An error as the caller sees it; `is_final`: a retry is in vain, whatever the status."""

    status: int
    message: str
    type: str
    code: str | None
    param: str | None = None
    retry_after_seconds: float | None = None
    is_final: bool = False


class SentHistory(Struct, frozen=True):
    """What the turn itself sent, so that its echoes are recognised (spec 6.2)."""

    message_ids: frozenset[str] = frozenset()
    assistant_texts: frozenset[str] = frozenset()
    file_ids: frozenset[str] = frozenset()
    wants_previews: bool = False  # the caller wants pictures before they are done


# --- bytes -> Frame -----------------------------------------------------------


class Frame(Struct, frozen=True, gc=False):
    """One dispatched server-sent event; `stray` is a line that is no field, counted and quoted."""

    name: str
    data: bytes
    stray: bool = False


# --- Frame -> UpstreamEvent ---------------------------------------------------


class Message(Struct, frozen=True):
    """One message of the upstream, as complete as it is now (protocol 2.2).

    `text` is all string parts joined; `pointers` the object parts in order; `content` the whole
    content object for the kinds that need other fields. One that `is_finished` will not grow.
    """

    id: str
    role: str
    name: str | None
    content_type: str
    text: str
    is_finished: bool
    recipient: str
    channel: str | None
    is_end_turn: bool
    pointers: tuple[dict[str, Any], ...]
    content: dict[str, Any]
    metadata: dict[str, Any]


@final
class ConversationNamed(Struct, frozen=True):
    """The id of the turn's conversation; sent when it is first seen or changes."""

    conversation_id: str


@final
class MessageSnapshot(Struct, frozen=True):
    """A whole message: a v0 event, or a v1 document after an operation."""

    message: Message


@final
class TextAppended(Struct, frozen=True, gc=False):
    """Text added to the end of `parts/0` of a message already sent as a snapshot."""

    message_id: str
    text: str


class InputEchoed(Struct, frozen=True, gc=False):
    """`input_message`: the message with this id is one that was sent, not an answer."""

    message_id: str


class ModelNamed(Struct, frozen=True, gc=False):
    """`server_ste_metadata`: the model that answers, and its use (`text`, `image gen`, …)."""

    slug: str
    use_case: str = ""


class Moderated(Struct, frozen=True, gc=False):
    """A moderation verdict; `is_blocked` ends the turn as `content_filter`."""

    is_blocked: bool


class ResumeOffered(Struct, frozen=True):
    """The credential of `f/conversation/resume`; it never leaves `upstream/`."""

    token: str

    @override
    def __repr__(self) -> str:
        """Never show the token."""
        return "ResumeOffered()"


class HandedOff(Struct, frozen=True, gc=False):
    """`stream_handoff`: the answer continues in another body (protocol 4.6)."""


class WebSocketHandOff(Struct, frozen=True, gc=False):
    """The hand-off to a WebSocket of 2024 (protocol 4.4), which is not followed."""


@final
class StreamCompleted(Struct, frozen=True, gc=False):
    """`message_stream_complete`."""


@final
class DoneReceived(Struct, frozen=True, gc=False):
    """The literal `[DONE]`."""


class UpstreamFault(Struct, frozen=True):
    """An error under status 200: a body (`detail`) in place of the answer, or an event (`error`)."""

    failure: Failure
    is_body: bool  # an error body (`detail`), else an error event (`error`)


class Unknown(Struct, frozen=True, gc=False):
    """An event that this version does not know, to be counted; `kind` is bounded in length."""

    kind: str
    sample: str = ""


class BodyEnd(StrEnum):
    """How the upstream's body ended."""

    CLEAN = "clean"
    CUT = "cut"
    SILENT = "silent"
    BROKEN = "broken"  # a protocol error, such as an event over the size limit
    UNRESUMED = "unresumed"  # no body: the hand-off cannot be followed
    WAITED = "waited"  # no body: the wait for a later answer is over
    SHUTDOWN = "shutdown"  # this gateway is being stopped


class BodyEnded(Struct, frozen=True):
    """The last event of every turn. `detail` is a sentence for the caller."""

    how: BodyEnd
    detail: str = ""


UpstreamEvent = (
    ConversationNamed
    | MessageSnapshot
    | TextAppended
    | InputEchoed
    | ModelNamed
    | Moderated
    | ResumeOffered
    | HandedOff
    | WebSocketHandOff
    | StreamCompleted
    | DoneReceived
    | UpstreamFault
    | Unknown
    | BodyEnded
)

# --- UpstreamEvent -> Delta ---------------------------------------------------


class Source(Struct, frozen=True):
    """What a citation points to. `url` is empty for a file."""

    url: str
    title: str


@final
class AnswerStarted(Struct, frozen=True, gc=False):
    """A visible message begins; all answer text up to the next one belongs to it."""

    message_id: str


@final
class AnswerText(Struct, frozen=True, gc=False):
    """New visible text, with its markers still inside."""

    text: str


class AnswerBlock(Struct, frozen=True, gc=False):
    """A whole message that is code or a document for the reader, fenced where Markdown is shown.

    `language` is the fence's, empty when unknown; only a document has a `title`.
    """

    message_id: str
    language: str
    text: str
    title: str = ""
    is_document: bool = False


@final
class ReasoningText(Struct, frozen=True, gc=False):
    """New reasoning text."""

    text: str


class ToolCallText(Struct, frozen=True, gc=False):
    """Text of a tool call; all pieces with one `message_id` form one block."""

    message_id: str
    language: str
    text: str
    is_last: bool = False


class ToolResult(Struct, frozen=True, gc=False):
    """The whole output of a tool, with `<<ImageDisplayed>>` still inside."""

    text: str


class FunctionCallStarted(Struct, frozen=True, gc=False):
    """The model calls a function; `index` counts from 0. A custom tool takes text, not JSON."""

    index: int
    call_id: str
    name: str
    namespace: str = ""
    is_custom: bool = False


class FunctionArguments(Struct, frozen=True, gc=False):
    """A piece of the arguments of call `index`: JSON text, or the plain input of a custom tool."""

    index: int
    text: str


class TextSpent(Struct, frozen=True):
    """Text outside the answer that only counts as usage; `sent` has one entry per message."""

    sent: tuple[str, ...]
    received: str


class NoticeKind(StrEnum):
    """Why the gateway put a line of its own into the answer."""

    CONSENT = "consent"  # a GPT action asks for a consent that cannot be given here
    TOOL_ERROR = "tool_error"


class Notice(Struct, frozen=True, gc=False):
    """One line of the gateway's own within the answer."""

    kind: NoticeKind
    text: str


class AssetKind(StrEnum):
    """The kind of asset to fetch."""

    PICTURE = "picture"
    FILE = "file"


class LinkForm(StrEnum):
    """How the link to a sandbox file is written in the text."""

    TARGET = "target"  # `](sandbox:/path)`, whose label has been sent already
    BARE = "bare"  # `sandbox:/path`


class AssetWanted(Struct, frozen=True):
    """A request to fetch a picture or file; the asset stage answers it with `AssetReady`.

    For a picture `pointer` is `file-service://…` or `sediment://…`; for a file
    it is the path in the sandbox.
    """

    kind: AssetKind
    pointer: str
    conversation_id: str
    message_id: str
    form: LinkForm | None = None
    revised_prompt: str | None = None
    width: int | None = None
    height: int | None = None
    is_preview: bool = False  # a better picture may follow
    facts: PictureFacts | None = None  # of a picture that was sent inside the answer itself


class AssetReady(Struct, frozen=True):
    """The answer to `AssetWanted`: a link, or the reason why there is none."""

    wanted: AssetWanted
    url: str
    name: str = ""
    media_type: str = ""
    problem: str = ""
    fault: Failure | None = None  # the gateway's own failure, such as a full disk


class Cited(Struct, frozen=True):
    """A marker at this place of the text: a citation, a word of the sentence or a formula.

    `text` is its Markdown, empty for one that is removed, and `words` replace it where citations
    are not shown; `slot` numbers the place, so that a later `CitationResolved` can add sources to
    it.
    """

    slot: int
    text: str
    sources: tuple[Source, ...]
    words: str = ""


class CitationResolved(Struct, frozen=True):
    """Sources that arrived after the text around their citation was sent."""

    slot: int
    sources: tuple[Source, ...]


class Outcome(StrEnum):
    """How an answer ended (spec 6.4); the label in log and metrics."""

    COMPLETE = "complete"
    LENGTH = "length"
    FILTERED = "filtered"
    REFUSED = "refused"
    CUT = "cut"
    SILENT = "silent"
    FAILED = "failed"
    EMPTY = "empty"
    ABANDONED = "abandoned"
    SHUTDOWN = "shutdown"


@final
class TurnFacts(Struct, frozen=True, gc=False):
    """What is known of the turn besides its text."""

    conversation_id: str | None = None
    message_id: str | None = None
    upstream_model: str | None = None
    cache_key: str = ""  # the talk's in the upstream's cache
    service_tier: str = ""  # the one that the turn got


class ResumeWanted(Struct, frozen=True):
    """The body ended with a hand-off pending: the turn continues in another body.

    `token` is the credential of the resume, or None when none was offered. `upstream/` answers it
    by feeding the other body into the same stages.
    """

    conversation_id: str | None
    token: str | None

    @override
    def __repr__(self) -> str:
        """Never show the token."""
        return f"ResumeWanted({self.conversation_id!r})"


class PictureWanted(Struct, frozen=True):
    """The body ended and a picture will come later; answered in `upstream/`, like `ResumeWanted`."""

    conversation_id: str | None
    task_ids: frozenset[str] = frozenset()


class AnswerWanted(Struct, frozen=True):
    """The answer may still reach the stored conversation; `upstream/` looks there."""

    conversation_id: str
    is_over: bool  # the upstream called the turn complete, although nothing visible had come


@final
class TurnEnded(Struct, frozen=True):
    """The last delta of every turn. `finish_reason` is None exactly when there is a `failure`.

    `stop_sequence` is the caller's stop string that ended the answer, if one did.
    """

    outcome: Outcome
    finish_reason: str | None
    failure: Failure | None = None
    counts: dict[str, int] = field(default_factory=dict)  # unknown events, rewrites, … by kind
    samples: dict[str, str] = field(default_factory=dict)  # examples; they quote the upstream
    stop_sequence: str | None = None


Delta = (
    AnswerStarted
    | AnswerText
    | AnswerBlock
    | ReasoningText
    | ToolCallText
    | ToolResult
    | FunctionCallStarted
    | FunctionArguments
    | TextSpent
    | Notice
    | AssetWanted
    | AssetReady
    | Cited
    | CitationResolved
    | TurnFacts
    | ResumeWanted
    | PictureWanted
    | AnswerWanted
    | TurnEnded
    | NativeDelta
)
