"""Pictures made and edited, as they are answered, whole and streamed (spec 9, openai-wire 7)."""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from service.vocabulary.wire import ErrorDetails


class Picture(Struct, frozen=True, kw_only=True):
    """A picture: a link that opens without a key, or its content in base64."""

    url: str | UnsetType = UNSET
    b64_json: str | UnsetType = UNSET
    revised_prompt: str | UnsetType = UNSET


class ImageInputTokens(Struct, frozen=True):
    """Details of `input_tokens`."""

    text_tokens: int
    image_tokens: int = 0


class ImageUsage(Struct, frozen=True, kw_only=True):
    """Token counts; `estimated` by the gateway where the upstream tells none."""

    input_tokens: int
    input_tokens_details: ImageInputTokens
    output_tokens: int
    total_tokens: int
    estimated: Literal[True] | UnsetType = UNSET


class Images(Struct, frozen=True):
    """The pictures, and in `reply` the text of the model beside them.

    Their size, quality, … are as the upstream tells them; one that draws in a chat tells none.
    """

    created: int
    data: list[Picture]
    reply: str
    usage: ImageUsage
    size: str | UnsetType = UNSET
    quality: str | UnsetType = UNSET
    background: str | UnsetType = UNSET
    output_format: str | UnsetType = UNSET


class _Drawn(Picture, frozen=True, kw_only=True, tag_field="type"):
    created_at: int
    size: str
    quality: str = "auto"
    background: str = "auto"
    output_format: str


class _Partial(_Drawn, frozen=True, kw_only=True):
    partial_image_index: int


class _Completed(_Drawn, frozen=True, kw_only=True):
    usage: ImageUsage


class GenerationPartial(_Partial, frozen=True, tag="image_generation.partial_image"):
    """A preview of a picture."""


class GenerationCompleted(_Completed, frozen=True, tag="image_generation.completed"):
    """A finished picture."""


class EditPartial(_Partial, frozen=True, tag="image_edit.partial_image"):
    """A preview of an edited picture."""


class EditCompleted(_Completed, frozen=True, tag="image_edit.completed"):
    """A finished edited picture."""


class ImageFailure(Struct, frozen=True, tag_field="type", tag="error"):
    """The last event of a stream that fails."""

    error: ErrorDetails


GenerationEvent = GenerationPartial | GenerationCompleted | ImageFailure
EditEvent = EditPartial | EditCompleted | ImageFailure
