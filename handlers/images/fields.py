"""Reads the fields of an image request into an `ImageOrder`, or answers a 400 (openai-wire 7)."""

import re
import secrets
from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from handlers.reading.common_fields import Arrival, chosen_profile, ignored_names, model_name
from handlers.reading.json_body import decode_json, given_names, quoted, refusal
from service.orders.images import (
    MAX_PICTURES,
    MAX_PREVIEWS,
    ImageOrder,
    default_size,
    drawing_model,
    is_base64_default,
    order_text,
)
from service.settings.config import Config
from service.vocabulary.requests import FilePart

_SIZE = re.compile(r"[\w:×. -]{1,32}")
FORMATS = ("url", "b64_json")
_PARTY_BYTES = 8


class ImageFields(Struct, frozen=True, kw_only=True):
    """The fields of an order, from JSON or a form; null is the same as absent.

    The fields from `quality` on are declared for their types and have no effect, since the upstream
    has no such settings. `partial_images` has an effect only with `stream`.
    """

    prompt: str
    model: str | None = None
    n: int | None = None
    size: str | None = None
    response_format: str | None = None
    render_profile: str | None = None
    stream: bool | None = None
    partial_images: int | None = None
    quality: str | None = None
    style: str | None = None
    user: str | None = None
    background: Any = None


HONOURED = frozenset(
    (
        *("prompt", "model", "n", "size", "response_format", "render_profile"),
        *("stream", "partial_images"),
    )
)


def read_order(body: bytes, arrival: Arrival, config: Config) -> ImageOrder:
    """Return the order of a JSON body.

    Raises:
        RequestError: it is not JSON, or a field is wrong.
    """
    fields = decode_json(body, ImageFields)
    return make_order(fields, arrival, config, given=given_names(body))


def make_order(
    fields: ImageFields,
    arrival: Arrival,
    config: Config,
    *,
    given: Iterable[str] = (),
    files: tuple[FilePart, ...] = (),
) -> ImageOrder:
    """Return the order of these fields.

    Args:
        fields: the fields as sent.
        arrival: of the request.
        config: for the models, and the text before a prompt.
        given: the names that the caller sent.
        files: the pictures to draw from, if any.

    Raises:
        RequestError: a field is wrong.
    """
    asked = None if fields.model is None else model_name(fields.model)
    if not fields.prompt.strip():
        raise refusal("prompt", "the text is empty; say what to draw")
    size, is_stream = _size(fields.size, asked or ""), bool(fields.stream)
    count = _number("n", fields.n, 1, MAX_PICTURES, 1)
    return ImageOrder(
        request_id=arrival.request_id,
        model=drawing_model(asked, config.models, arrival.models),
        asked_model=asked or "",
        text=order_text(config.images.prompt_prefix, fields.prompt, size),
        profile=chosen_profile(fields.render_profile, arrival),
        public_url=arrival.public_url,
        received_at=arrival.received_at,
        idempotency_key=arrival.idempotency_key,
        files=files,
        count=count,
        size=size,
        is_base64=_is_base64(fields.response_format, asked or "", is_stream=is_stream),
        is_stream=is_stream,
        is_edit=bool(files),
        previews=_number("partial_images", fields.partial_images, 0, MAX_PREVIEWS, 0),
        # Not the request's id, which a caller could repeat for several requests.
        queue_party=secrets.token_hex(_PARTY_BYTES) if count > 1 else "",
        ignored_fields=ignored_names(given, HONOURED),
    )


def _number(name: str, value: int | None, least: int, most: int, default: int) -> int:
    if value is None:
        return default
    if not least <= value <= most:
        raise refusal(name, f"expected {least} to {most}, got {value}")
    return value


def _size(size: str | None, model: str) -> str:
    if size is None or not size.strip():
        return default_size(model)
    if not _SIZE.fullmatch(size.strip()):
        raise refusal("size", f"{quoted(size)} is no size; use one such as '1024x1024', or 'auto'")
    return size.strip()


def _is_base64(wanted: str | None, model: str, *, is_stream: bool) -> bool:
    if not wanted:
        return is_stream or is_base64_default(model)  # OpenAI's events hold base64 only
    if wanted not in FORMATS:
        problem = f"{quoted(wanted)} is no format; use 'url' or 'b64_json'"
        raise refusal("response_format", problem)
    return wanted == "b64_json"
