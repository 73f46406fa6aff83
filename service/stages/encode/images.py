"""Rendered pictures -> the events of a streamed image generation (spec 9, openai-wire 7).

event: image_generation.completed
data: {"type":"image_generation.completed","b64_json":"iVBO…","created_at":1700000000,…}
"""

from collections.abc import Iterable
from typing import Any

from msgspec import UNSET, Struct, structs

from service.answers.images import (
    EditCompleted,
    EditPartial,
    GenerationCompleted,
    GenerationPartial,
    ImageFailure,
    ImageInputTokens,
    ImageUsage,
    Picture,
)
from service.stages.encode.chat import PING
from service.stages.encode.gathered import Gathered
from service.vocabulary.events import Failure, TurnEnded, TurnFacts
from service.vocabulary.rendered import Rendered, TokenCounts
from service.vocabulary.wire import error_of, shortened, to_json


class PictureShown(Struct, frozen=True):
    """A picture to send: a finished one with the tokens that it took, or a numbered preview.

    `format` is the last word of its media type, such as `png`; `details` are its size, quality, …
    as far as known.
    """

    picture: Picture
    format: str
    details: dict[str, str] = {}
    counts: TokenCounts | None = None
    preview: int | None = None


ImagePiece = PictureShown | TurnFacts | TurnEnded


class ImageEvents:
    """The events of one order; keep-alives are comments only.

    Args:
        created: the time of the order, in seconds since 1970.
        size: as requested; a picture may have another one.
        is_edit: pictures were made from others.
    """

    opening = PING  # else the head would be sent only with the first event

    def __init__(self, created: int, size: str, *, is_edit: bool) -> None:
        self.gathered = Gathered()
        self._created = created
        self._size = size
        self._partial = EditPartial if is_edit else GenerationPartial
        self._completed = EditCompleted if is_edit else GenerationCompleted

    def keep_alive(self) -> bytes:
        """Return a comment, since this API has no event without content."""
        return PING

    def text(self, text: str) -> bytes:
        """Return nothing, since text beside pictures has no event."""
        del text
        return b""

    def gather(self, pieces: list[Rendered]) -> None:
        """Do nothing, for the same reason."""

    def feed_batch(self, batch: Iterable[ImagePiece]) -> bytes:
        """Return the events of a batch."""
        frames = []
        for piece in batch:
            if isinstance(piece, PictureShown):
                frames.append(self._shown(piece))
            else:
                self.gathered.feed(piece)
        return b"".join(frames)

    def finish(self, counts: TokenCounts | None) -> bytes:
        """Return nothing, since the last picture is the end."""
        del counts
        return b""

    def fail(self, failure: Failure) -> bytes:
        """Return the event that ends an answer without a picture."""
        return _event("error", ImageFailure(error_of(shortened(failure)).error))

    def _shown(self, shown: PictureShown) -> bytes:
        of_all: dict[str, Any] = {
            **structs.asdict(shown.picture),
            "created_at": self._created,
            "size": self._size,
            **shown.details,
            "output_format": shown.format,
        }
        if shown.counts is None:
            number = shown.preview or 0
            partial = self._partial(**of_all, partial_image_index=number)
            return _event(str(self._partial.__struct_config__.tag), partial)
        completed = self._completed(**of_all, usage=image_usage(shown.counts))
        return _event(str(self._completed.__struct_config__.tag), completed)


def image_usage(counts: TokenCounts) -> ImageUsage:
    """Return the `usage` of pictures."""
    return ImageUsage(
        input_tokens=counts.prompt_tokens,
        input_tokens_details=ImageInputTokens(
            counts.prompt_tokens - counts.picture_tokens, counts.picture_tokens
        ),
        output_tokens=counts.completion_tokens,
        total_tokens=counts.total_tokens,
        estimated=True if counts.is_estimated else UNSET,
    )


def _event(name: str, record: Struct) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), to_json(record))
