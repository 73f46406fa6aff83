"""Reads the fields of an image request into an `ImageOrder`, or answers a 400 (openai-wire 7)."""

import re
import secrets
from collections.abc import Iterable
from typing import Any

from msgspec import Struct, structs

from handlers.images.options import OPTIONS, options_of
from handlers.reading.common_fields import Arrival, chosen_profile, ignored_names, model_name
from handlers.reading.json_body import decode_json, given_names, quoted, refusal
from service.orders.images import (
    MAX_PICTURES,
    MAX_PREVIEWS,
    OPEN_SIZE,
    ImageOrder,
    default_size,
    drawing_model,
    image_model,
    is_base64_default,
    order_text,
)
from service.settings.config import Config
from service.vocabulary.requests import FilePart, PictureOrder

_SIZE = re.compile(r"[\w:×. -]{1,32}")
FORMATS = ("url", "b64_json")
_PARTY_BYTES = 8
MASK_WORDS = (
    "The last of the attached pictures is a mask, not a picture to draw: change only what lies "
    "where the mask is transparent or white, and keep all the rest as it is."
)


class ImageFields(Struct, frozen=True, kw_only=True):
    """The fields of an order, from JSON or a form; null is the same as absent.

    The fields from `quality` on have an effect only on an upstream that takes such settings.
    `partial_images` has an effect only with `stream`.
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
    output_format: str | None = None
    output_compression: int | None = None
    moderation: str | None = None
    input_fidelity: str | None = None


class Sources(Struct, frozen=True):
    """The pictures that an edit is drawn from, and the mask that tells where."""

    pictures: tuple[FilePart, ...] = ()
    mask: FilePart | None = None

    @property
    def all(self) -> tuple[FilePart, ...]:
        """The pictures, and the mask behind them."""
        return self.pictures if self.mask is None else (*self.pictures, self.mask)


NO_SOURCES = Sources()
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


# One field after the other, and then what another upstream takes in its own way.
def make_order(
    fields: ImageFields,
    arrival: Arrival,
    config: Config,
    *,
    given: Iterable[str] = (),
    sources: Sources = NO_SOURCES,
) -> ImageOrder:
    """Return the order of these fields.

    Args:
        fields: the fields as sent.
        arrival: of the request.
        config: for the models, and the text before a prompt.
        given: the names that the caller sent.
        sources: the pictures to draw from, if any.

    Raises:
        RequestError: a field is wrong.
    """
    asked = None if fields.model is None else model_name(fields.model)
    if not fields.prompt.strip():
        raise refusal("prompt", "the text is empty; say what to draw")
    size, is_stream = _size(fields.size, asked or ""), bool(fields.stream)
    count = _number("n", fields.n, 1, MAX_PICTURES, 1)
    order = ImageOrder(
        request_id=arrival.request_id,
        model=drawing_model(asked, config.models, arrival.models),
        asked_model=asked or "",
        text=order_text(config.images.prompt_prefix, _words(fields, sources), size),
        profile=chosen_profile(fields.render_profile, arrival),
        public_url=arrival.public_url,
        received_at=arrival.received_at,
        idempotency_key=arrival.idempotency_key,
        files=sources.all,
        count=count,
        size=size,
        is_base64=_is_base64(fields.response_format, asked or "", is_stream=is_stream),
        is_stream=is_stream,
        is_edit=bool(sources.pictures),
        previews=_number("partial_images", fields.partial_images, 0, MAX_PREVIEWS, 0),
        # Not the request's id, which a caller could repeat for several requests.
        queue_party=secrets.token_hex(_PARTY_BYTES) if count > 1 else "",
        ignored_fields=ignored_names(given, HONOURED),
    )
    if not arrival.is_native:
        return order
    model = image_model(asked, arrival.models)
    return structs.replace(
        order,
        model=model,
        text=_words(fields, sources),
        size=fields.size or OPEN_SIZE,
        is_base64=_is_base64(fields.response_format, model, is_stream=is_stream),
        queue_party="",
        ignored_fields=ignored_names(given, HONOURED | OPTIONS),
        picture=_picture(order, fields, sources),
    )


def _words(fields: ImageFields, sources: Sources) -> str:
    """Return the prompt for a text model that draws."""
    return fields.prompt if sources.mask is None else f"{fields.prompt}\n\n{MASK_WORDS}"


def _picture(order: ImageOrder, fields: ImageFields, sources: Sources) -> PictureOrder:
    return PictureOrder(
        prompt=fields.prompt,
        count=order.count,
        options=options_of(fields, is_edit=order.is_edit),
        mask_path="" if sources.mask is None else sources.mask.path,
        previews=order.previews if order.is_stream else 0,
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
