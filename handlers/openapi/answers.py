"""What this gateway answers, as records: the description is made of them, nothing is answered by them.

A field that is `UNSET` by default may be missing; one that may be null is always there.
"""

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "function_call"]


class ErrorDetails(Struct):
    """Why there is no answer. `partial` is the text that had arrived of one that broke off."""

    message: str
    type: str
    param: str | None
    code: str | None
    partial: str | UnsetType = UNSET


class Error(Struct):
    """What every failed request is answered with; the end of a stream that failed later."""

    error: ErrorDetails


# --- chat completions -----------------------------------------------------------------


class Link(Struct):
    """A stored picture or file; the URL opens without a key."""

    url: str
    name: str | UnsetType = UNSET
    revised_prompt: str | UnsetType = UNSET


class TurnNames(Struct, kw_only=True):
    """What is known of the turn, besides OpenAI's own fields; each only where it is known."""

    upstream_model: str | UnsetType = UNSET
    conversation_id: str | UnsetType = UNSET
    message_id: str | UnsetType = UNSET
    x_images: list[Link] | UnsetType = UNSET
    x_files: list[Link] | UnsetType = UNSET


class CompletionTokens(Struct):
    """Part of `completion_tokens`."""

    reasoning_tokens: int


class Usage(Struct):
    """Tokens, counted here: what the upstream really counted is never known."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    completion_tokens_details: CompletionTokens
    estimated: Literal[True]


class CitedUrl(Struct):
    """A source; the offsets are code points of the content."""

    url: str
    title: str
    start_index: int
    end_index: int


class Annotation(Struct):
    """A citation."""

    type: Literal["url_citation"]
    url_citation: CitedUrl


class CalledFunction(Struct):
    """A function to call; `arguments` is JSON text."""

    name: str
    arguments: str


class ToolCall(Struct):
    """A call that the model wants."""

    id: str
    type: Literal["function"]
    function: CalledFunction


class AnswerMessage(Struct, kw_only=True):
    """The answer."""

    role: Literal["assistant"]
    content: str | None
    refusal: None
    reasoning_content: str | UnsetType = UNSET
    annotations: list[Annotation] | UnsetType = UNSET
    tool_calls: list[ToolCall] | UnsetType = UNSET
    function_call: CalledFunction | UnsetType = UNSET


class ChatChoice(Struct):
    """The only choice."""

    index: Literal[0]
    message: AnswerMessage
    logprobs: None
    finish_reason: FinishReason


class ChatCompletion(TurnNames, kw_only=True):
    """A whole chat completion."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[ChatChoice]
    usage: Usage
    system_fingerprint: None


class FunctionDelta(Struct):
    """Part of a call; `name` comes once."""

    arguments: str
    name: str | UnsetType = UNSET


class ToolCallDelta(Struct):
    """Part of a call; `id` and `type` come once."""

    index: int
    function: FunctionDelta
    id: str | UnsetType = UNSET
    type: Literal["function"] | UnsetType = UNSET


class ChatDelta(Struct, kw_only=True):
    """What one chunk adds; an empty one is a sign of life."""

    role: Literal["assistant"] | UnsetType = UNSET
    content: str | UnsetType = UNSET
    reasoning_content: str | UnsetType = UNSET
    annotations: list[Annotation] | UnsetType = UNSET
    tool_calls: list[ToolCallDelta] | UnsetType = UNSET
    function_call: FunctionDelta | UnsetType = UNSET


class ChatChunkChoice(Struct):
    """What a chunk adds to the only choice."""

    index: Literal[0]
    delta: ChatDelta
    finish_reason: FinishReason | None


class ChatCompletionChunk(TurnNames, kw_only=True):
    """One event of a streamed chat completion; the last one may have no choice, but the usage."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    choices: list[ChatChunkChoice]
    usage: Usage | UnsetType = UNSET


# --- completions ----------------------------------------------------------------------


class TextChoice(Struct):
    """The only choice."""

    index: Literal[0]
    text: str
    logprobs: None
    finish_reason: FinishReason | None


class Completion(TurnNames, kw_only=True):
    """A whole completion of a prompt."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[TextChoice]
    usage: Usage
    system_fingerprint: None


class CompletionChunk(TurnNames, kw_only=True):
    """One event of a streamed completion."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[TextChoice]
    usage: Usage | UnsetType = UNSET


# --- pictures -------------------------------------------------------------------------


class Picture(Struct, kw_only=True):
    """A picture: a link that opens without a key, or its content in base64."""

    url: str | UnsetType = UNSET
    b64_json: str | UnsetType = UNSET
    revised_prompt: str | UnsetType = UNSET


class ImageInputTokens(Struct):
    """Of what `input_tokens` are made up."""

    text_tokens: int
    image_tokens: int


class ImageUsage(Struct):
    """Tokens, counted here."""

    input_tokens: int
    input_tokens_details: ImageInputTokens
    output_tokens: int
    total_tokens: int
    estimated: Literal[True]


class Images(Struct):
    """The pictures, and in `reply` the text that came along."""

    created: int
    data: list[Picture]
    reply: str
    usage: ImageUsage


# --- sound ----------------------------------------------------------------------------


class Transcription(Struct):
    """What is said in a recording."""

    text: str


class TranscriptDelta(Struct, tag_field="type", tag="transcript.text.delta"):
    """A piece of what is said."""

    delta: str


class TranscriptDone(Struct, tag_field="type", tag="transcript.text.done"):
    """All that is said."""

    text: str


TranscriptEvent = TranscriptDelta | TranscriptDone


# --- files and models -----------------------------------------------------------------


class File(Struct):
    """A file that was left here; times in seconds since 1970."""

    id: str
    object: Literal["file"]
    bytes: int
    created_at: int
    expires_at: int
    filename: str
    purpose: str
    status: Literal["processed"]
    status_details: None


class FileList(Struct):
    """A page of the caller's files."""

    object: Literal["list"]
    data: list[File]
    first_id: str | None
    last_id: str | None
    has_more: bool


class DeletedFile(Struct):
    """A file that is gone."""

    id: str
    object: Literal["file"]
    deleted: Literal[True]


class Model(Struct):
    """A name that can be asked for."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelList(Struct):
    """All names that can be asked for."""

    object: Literal["list"]
    data: list[Model]


# --- the gateway itself ---------------------------------------------------------------


class Subscription(Struct):
    """That nothing limits this key, in the form that balance buttons read."""

    object: Literal["billing_subscription"]
    has_payment_method: bool
    soft_limit_usd: float
    hard_limit_usd: float
    system_hard_limit_usd: float
    access_until: int


class BilledUsage(Struct):
    """That nothing was spent."""

    object: Literal["list"]
    daily_costs: list[Any]
    total_usage: float


class Health(Struct):
    """That the process is alive."""

    status: Literal["ok"]


class Part(Struct):
    """One part of the service, in full."""

    ok: bool
    problem: str | None
    milliseconds: float


class RouteState(Struct):
    """One route to the upstream, by its place in `upstream.api_prefixes`."""

    route: int
    state: str
    cooling_seconds: float


class UnknownKind(Struct):
    """One kind of what the upstream sent and was not known; times in ISO 8601."""

    kind: str
    count: int
    first: str
    last: str


class Drift(Struct):
    """What of the upstream this process did not know, since it started."""

    since: str
    kinds: list[UnknownKind]


class Readiness(Struct, kw_only=True):
    """Whether requests can be served now; `checks` has `ok` or the problem of each part."""

    status: Literal["ready", "not ready"]
    checks: dict[str, str]
    version: str | UnsetType = UNSET
    process: int | UnsetType = UNSET
    uptime_seconds: float | UnsetType = UNSET
    parts: dict[str, Part] | UnsetType = UNSET
    routes: list[RouteState] | UnsetType = UNSET
    drift: Drift | UnsetType = UNSET


class Index(Struct):
    """What this is, and where its parts are."""

    name: str
    version: str
    default_profile: str
    picture_origin: str
    links: dict[str, str]
