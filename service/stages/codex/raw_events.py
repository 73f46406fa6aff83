"""The events of codex 3 as they are read, and runs of those that only add text."""

from typing import Any, Literal

from msgspec import Struct


class Event(Struct, frozen=True):
    """One event, with the fields of all kinds of events; each is None where it is missing."""

    type: str = ""
    item_id: str | None = None
    output_index: int | None = None
    content_index: int | None = None
    summary_index: int | None = None
    delta: str | None = None
    text: str | None = None
    refusal: str | None = None
    arguments: str | None = None
    input: str | None = None
    item: dict[str, Any] | None = None
    annotation: dict[str, Any] | None = None
    partial_image_b64: str | None = None
    partial_image_index: int | None = None
    # Of pictures that are drawn by an order of their own:
    b64_json: str | None = None
    revised_prompt: str | None = None
    data: list[Any] | None = None
    usage: dict[str, Any] | None = None
    size: str | None = None
    quality: str | None = None
    background: str | None = None
    output_format: str | None = None
    response: dict[str, Any] | None = None
    object: str | None = None
    error: Any = None
    detail: Any = None
    # Of `codex.rate_limits`; in a flat error, beside its type:
    plan_type: str | None = None
    rate_limits: dict[str, Any] | None = None
    credits: dict[str, Any] | None = None
    limit_name: str | None = None
    metered_limit_name: str | None = None
    code: Any = None
    message: Any = None
    param: Any = None
    status: Any = None
    status_code: Any = None
    resets_at: Any = None
    resets_in_seconds: Any = None


class Piece(Struct, frozen=True, gc=False):
    """An event that adds text to a message, with the fields that all of them have."""

    type: Literal["response.output_text.delta"]
    item_id: str
    output_index: int
    delta: str
    content_index: int | None = None


class Run(Struct, frozen=True, gc=False):
    """So many events, from `start` to `end` of a chunk, which add this text."""

    start: int
    end: int
    count: int
    item_id: str
    output_index: int
    content_index: int | None
    delta: str
