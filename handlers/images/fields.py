"""The fields of an image request -> `service.orders.images.ImageOrder`, or a 400 (openai-wire 7)."""

import re
from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from handlers.reading.common_fields import Arrival, chosen_profile, ignored_names, model_name
from handlers.reading.json_body import decode_json, given_names, quoted, refusal
from service.orders.images import (
    MAX_PICTURES,
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


class ImageFields(Struct, frozen=True, kw_only=True):
    """The fields of an order, from JSON or from a form; null is the same as absent.

    From `quality` on they are known for their types and have no effect: the
    upstream has no such settings.
    """

    prompt: str
    model: str | None = None
    n: int | None = None
    size: str | None = None
    response_format: str | None = None
    render_profile: str | None = None
    quality: str | None = None
    style: str | None = None
    stream: bool | None = None
    user: str | None = None
    background: Any = None


HONOURED = frozenset(
    ("prompt", "model", "n", "size", "response_format", "render_profile"),
)


def read_order(body: bytes, arrival: Arrival, config: Config) -> ImageOrder:
    """Return the order of a JSON body.

    Raises:
        RequestError: it is no JSON, or a field is wrong.
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
    """Return the order of these fields; `given` are the names that the caller sent.

    Raises:
        RequestError: a field is wrong.
    """
    asked = None if fields.model is None else model_name(fields.model)
    if not fields.prompt.strip():
        raise refusal("prompt", "the text is empty; say what to draw")
    return ImageOrder(
        request_id=arrival.request_id,
        model=drawing_model(asked, config.models, arrival.models),
        asked_model=asked or "",
        text=order_text(
            config.images.prompt_prefix, fields.prompt, _size(fields.size, asked or "")
        ),
        profile=chosen_profile(fields.render_profile, arrival),
        public_url=arrival.public_url,
        received_at=arrival.received_at,
        idempotency_key=arrival.idempotency_key,
        files=files,
        count=_count(fields.n),
        is_base64=_is_base64(fields.response_format, asked or ""),
        ignored_fields=ignored_names(given, HONOURED),
    )


def _count(n: int | None) -> int:
    if n is None:
        return 1
    if not 1 <= n <= MAX_PICTURES:
        raise refusal("n", f"expected 1 to {MAX_PICTURES}, got {n}")
    return n


def _size(size: str | None, model: str) -> str:
    if size is None or not size.strip():
        return default_size(model)
    if not _SIZE.fullmatch(size.strip()):
        raise refusal("size", f"{quoted(size)} is no size; use one such as '1024x1024', or 'auto'")
    return size.strip()


def _is_base64(wanted: str | None, model: str) -> bool:
    if not wanted:
        return is_base64_default(model)
    if wanted not in FORMATS:
        problem = f"{quoted(wanted)} is no format; use 'url' or 'b64_json'"
        raise refusal("response_format", problem)
    return wanted == "b64_json"
