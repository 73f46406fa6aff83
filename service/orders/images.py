"""Image generation: the turns that draw, and the pictures that come of them (spec 9)."""

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from http import HTTPStatus

from msgspec import Struct, structs

from service.answers.images import Images, Picture
from service.settings.config import ModelConfig
from service.stages.encode.gathered import Gathered
from service.stages.encode.images import image_usage
from service.stages.render.bot_format import RAW, Render
from service.upstream_errors.refusals import quoted
from service.vocabulary.events import (
    AssetKind,
    AssetReady,
    Delta,
    Failure,
    Notice,
    NoticeKind,
    Outcome,
)
from service.vocabulary.rendered import BotFormat, PictureForm, TokenCounts
from service.vocabulary.requests import (
    ChatMessage,
    ChatRequest,
    FilePart,
    PictureOrder,
    Profile,
    TextPart,
)

MAX_PICTURES = 10  # per order; each picture is a turn of its own
MAX_PREVIEWS = 3  # of one picture
DEFAULT_SIZE, OPEN_SIZE = "1024x1024", "auto"  # OpenAI's defaults: of dall-e, and of gpt-image
DEFAULT_IMAGE_MODEL = "gpt-image-2"  # of an upstream with image models (codex 5)

# Names built into clients. Where the model table has no such row they mean "any model that draws".
_IMAGE_MODEL = re.compile(r"(?:dall-e|gpt-image|chatgpt-image)(?:-|$)")
# Slugs that answer in words only.
_WORDS_ONLY = re.compile(r"mini|3\.5|text-davinci|^o\d")
_RATE_LIMIT = re.compile(r"(?i)rate.?limit|too many|too quickly|usage cap|try again (?:in|after)")
# How a model itself words a limit, in the languages it is asked in most.
_LIMIT_WORDS = re.compile(
    r"(?i)\brate.?limit|\busage (?:cap|limit)|too many (?:image|picture|request)"
    r"|(?:reached|hit|exceeded) (?:the|my|your|our|a|an) [\w ]{0,40}limit"
    r"|(?:达到|超过|超出|触发)[^。\n]{0,20}(?:上限|限额|限制)|速率限制|请求过于频繁"
)
_WAIT = re.compile(
    r"(?i)(?:in|after|for|before|another|wait)\s+(?:about\s+)?(\d{1,5})\s*(second|minute|hour|day)"
    r"|(\d{1,5})\s*(秒|分钟|小时|天)"
)
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_SECONDS |= {"秒": 1, "分钟": 60, "小时": 3600, "天": 86400}
_POLICY = re.compile(r"(?i)polic(?:y|ies)|guidelines|not allowed|moderation")


class ImageOrder(Struct, frozen=True):
    """A checked order of pictures; `text` is the message of each turn.

    There are `count` turns, which queue as one `queue_party`, or a single one where the upstream
    takes the order as the `picture` that it is; `is_base64` asks for the content of the pictures in
    the reply; `previews` is how many previews of each are sent. The other fields are those of
    `ChatRequest`.
    """

    request_id: str
    model: str
    text: str
    profile: Profile
    public_url: str
    received_at: float
    files: tuple[FilePart, ...] = ()
    count: int = 1
    size: str = DEFAULT_SIZE
    is_base64: bool = False
    is_stream: bool = False
    is_edit: bool = False
    previews: int = 0
    queue_party: str = ""
    ignored_fields: tuple[str, ...] = ()
    idempotency_key: str = ""
    asked_model: str = ""
    picture: PictureOrder | None = None

    @property
    def turns(self) -> list[ChatRequest]:
        """The turns that draw; they differ in their idempotency keys only."""
        key, count = self.idempotency_key, 1 if self.picture else self.count
        keys = [f"{key} {index}" if key else "" for index in range(count)]
        return [structs.replace(self.chat, idempotency_key=one) for one in keys]

    @property
    def chat(self) -> ChatRequest:
        """The request that all of the turns share."""
        return ChatRequest(
            request_id=self.request_id,
            model=self.model,
            messages=(ChatMessage("user", (TextPart(self.text), *self.files)),),
            is_stream=self.is_stream,
            is_usage_wanted=False,
            profile=self.profile,
            public_url=self.public_url,
            received_at=self.received_at,
            ignored_fields=self.ignored_fields,
            needs_copies=self.is_base64,
            asked_model=self.asked_model,
            queue_party=self.queue_party,
            wants_previews=self.previews > 0,
            picture=self.picture,
        )


def order_text(prefix: str, prompt: str, size: str) -> str:
    """Return the message that asks for a picture."""
    return f"{prefix}\nprompt:{prompt}\nsize:{size}"


def default_size(model: str) -> str:
    """Return OpenAI's default size for this model name."""
    return OPEN_SIZE if _is_gpt_image(model) else DEFAULT_SIZE


def is_base64_default(model: str) -> bool:
    """Tell whether OpenAI answers this model name with `b64_json` unless asked for links."""
    return _is_gpt_image(model)


def drawing_model(
    asked: str | None, models: Mapping[str, ModelConfig], allowed: Container[str] = ()
) -> str:
    """Return the model that draws: the one asked for, else the table's first that can.

    Args:
        asked: the caller's name for it, if any.
        models: the table.
        allowed: the names that the caller's key may use; they are preferred.
    """
    slugs = {name: model.slug for row, model in models.items() for name in (row, *model.aliases)}
    if asked is not None and (asked in slugs or not _IMAGE_MODEL.match(asked)):
        return asked
    able = [name for name, slug in slugs.items() if not _WORDS_ONLY.search(slug)]
    return next((name for name in able if name in allowed), next(iter([*able, *models]), "auto"))


def image_model(asked: str | None, allowed: Sequence[str] = ()) -> str:
    """Return the image model for an upstream that has several: the one asked for, else the default.

    Args:
        asked: the caller's name for it, if any; those of other image models mean the default.
        allowed: the names that the caller's key may use, if it may not use all.
    """
    if asked is not None and (asked.startswith("gpt-image-") or not _IMAGE_MODEL.match(asked)):
        return asked
    if asked is not None or not allowed or DEFAULT_IMAGE_MODEL in allowed:
        return DEFAULT_IMAGE_MODEL
    return next((name for name in allowed if _IMAGE_MODEL.match(name)), allowed[0])


def _is_gpt_image(model: str) -> bool:
    return model.startswith(("gpt-image", "chatgpt-image"))


class Drawing:
    """The pictures and words of one turn, collected from its deltas."""

    def __init__(self, bot_format: BotFormat) -> None:
        self.gathered = Gathered()
        self.assets: list[AssetReady] = []  # previews and pictures, in order
        self._words = Gathered()
        self._render = Render(structs.replace(bot_format, pictures=PictureForm.NONE))
        self._render_words = Render(RAW)
        self._problem = ""
        self._fault: Failure | None = None
        self._tool_error = ""

    def feed_batch(self, batch: Iterable[Delta]) -> None:
        """Take one batch of the turn."""
        for delta in batch:
            if isinstance(delta, AssetReady) and delta.wanted.kind is AssetKind.PICTURE:
                self.assets += [delta] if delta.url else []
                if delta.wanted.is_preview:
                    continue
                self._problem = self._problem or delta.problem
                self._fault = self._fault or delta.fault
            elif isinstance(delta, Notice) and delta.kind is NoticeKind.TOOL_ERROR:
                self._tool_error = delta.text
            self.gathered.feed_batch(self._render.feed(delta))
            self._words.feed_batch(self._render_words.feed(delta))

    @property
    def pictures(self) -> list[AssetReady]:
        """The pictures, without previews."""
        return [ready for ready in self.assets if not ready.wanted.is_preview]

    @property
    def failure(self) -> Failure | None:
        """The reason why there is no picture; None when there is one, however the turn ended."""
        if self.pictures:
            return None
        if self._problem:
            message = f"The picture was drawn but could not be had: {self._problem}"
            return (
                structs.replace(self._fault, message=message) if self._fault else _broken(message)
            )
        if self._tool_error:
            return picture_failure(self._tool_error)
        ended = self.gathered.ended
        if ended is not None and ended.failure is not None:
            return ended.failure
        words = self._words.content
        return _limited(words) if _LIMIT_WORDS.search(words) else _refused(words)


def picture_failure(words: str) -> Failure:
    """Return the failure for the error text of a picture tool."""
    if _RATE_LIMIT.search(words):
        return _limited(words)
    if _POLICY.search(words):
        return _refused(words)
    return _broken(f"The upstream could not draw the picture. It said: {quoted(words)}")


def _limited(words: str) -> Failure:
    message = f"You have reached the rate limit of pictures. It said: {quoted(words)}"
    wait = None
    if found := _WAIT.search(words):
        wait = float(found[1] or found[3]) * _SECONDS[(found[2] or found[4]).lower()]
    return Failure(
        HTTPStatus.TOO_MANY_REQUESTS,
        message,
        "rate_limit_error",
        "rate_limit_exceeded",
        retry_after_seconds=wait,
    )


def _refused(words: str) -> Failure:
    said = f" It said: {quoted(words)}" if words.strip() else ""
    message = f"The upstream drew no picture.{said}"
    return Failure(
        HTTPStatus.BAD_REQUEST, message, "invalid_request_error", "content_policy_violation"
    )


def _broken(message: str) -> Failure:
    return Failure(HTTPStatus.BAD_GATEWAY, message, "upstream_error", "upstream_error")


def outcome_of_failure(failure: Failure, ended: Outcome | None) -> Outcome | None:
    """Return the outcome of an order without pictures, for log and metrics."""
    if ended not in (None, Outcome.COMPLETE, Outcome.LENGTH):
        return ended
    is_fault = failure.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return Outcome.FAILED if is_fault else Outcome.REFUSED


def joined_content(drawings: Iterable[Drawing]) -> str:
    """Return the text beside all the pictures."""
    return "\n\n".join(text for drawing in drawings if (text := drawing.gathered.content))


def images_reply(
    drawings: Sequence[Drawing], data: Sequence[Picture], created: int, counts: TokenCounts
) -> Images:
    """Return the reply: the pictures, and the text beside them; `created` in seconds."""
    pictures = [picture for drawing in drawings for picture in drawing.pictures]
    details = details_of(pictures[0]) if pictures else {}
    return Images(created, list(data), joined_content(drawings), image_usage(counts), **details)


def details_of(picture: AssetReady) -> dict[str, str]:
    """Return the size, quality, … of a picture, as far as its upstream tells them."""
    facts = picture.wanted.facts
    return dict(facts.details) if facts else {}
