"""`POST /v1/images/edits` and `/v1/images/variations`: pictures from pictures (openai-wire 7).

The website has neither, so a turn is asked to draw with the pictures attached. A mask is attached
as one more picture, with words that explain it. The model heeds them like any other words; nothing
enforces the mask. Codex's back end has edits, with a mask of its own; a variation is an edit there.
"""

import re

from aiohttp import web
from msgspec import Struct

from handlers.edge.arrivals import arrival_of
from handlers.edge.headers import credential_of
from handlers.images.fields import HONOURED, ImageFields, Sources, make_order
from handlers.images.generations import draw
from handlers.reading.chat_messages import kept_file, located_file
from handlers.reading.common_fields import Arrival
from handlers.reading.json_body import decode_json, given_names, quoted, read_body, refusal
from handlers.reading.multipart import Form, open_form
from service.keys import CONFIG, UPLOADS
from service.orders.images import ImageOrder
from service.settings.config import Config
from service.vocabulary.requests import FilePart, LocalFile

MAX_IMAGES = 16  # OpenAI's own limit
VARIATION_WORDS = (
    "Draw a variation of the attached picture: the same subject in the same style, but not a copy."
)
_IMAGE = "image"
_IMAGE_NAME = re.compile(r"image(?:\[\d{0,2}\])?", re.ASCII)
_MASK = "mask"
_OPTIONS = ("quality", "background", "output_format", "moderation", "input_fidelity")
_NUMBER = re.compile(r"-?\d{1,9}", re.ASCII)
_STARTS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"RIFF")
_WEBP = b"WEBP"
_HEAD_BYTES = 12


class ImagePlace(Struct, frozen=True):
    """The place of a picture: a web address, a data URL, or the id of an uploaded file."""

    image_url: str | None = None
    file_id: str | None = None


class ImageEditFields(ImageFields, frozen=True, kw_only=True):
    """The body of an edit in JSON."""

    images: list[ImagePlace]
    mask: ImagePlace | None = None


EDIT_HONOURED = HONOURED | {"images", "mask"}


async def image_edits(request: web.Request) -> web.StreamResponse:
    """Draw from the pictures in a form or in JSON.

    Raises:
        ServiceError: the request is wrong, or no picture was made.
    """
    if request.content_type.startswith("multipart/"):
        return await _drawn(request, may_have_mask=True)
    config = request.app[CONFIG]
    credential = credential_of(request)
    body = await read_body(request, config.server.max_body_bytes)
    return await draw(request, credential, read_edit(body, arrival_of(request, credential), config))


def read_edit(body: bytes, arrival: Arrival, config: Config) -> ImageOrder:
    """Return the order of an edit in JSON.

    Raises:
        RequestError: it is not JSON, or a field is wrong.
    """
    fields = decode_json(body, ImageEditFields)
    if not 1 <= len(fields.images) <= MAX_IMAGES:
        problem = f"expected 1 to {MAX_IMAGES} pictures, got {len(fields.images)}"
        raise refusal("images", problem)
    files = [_placed(place, f"images[{at}]") for at, place in enumerate(fields.images)]
    mask = None if fields.mask is None else _placed(fields.mask, _MASK)
    given = [name for name in given_names(body) if name not in EDIT_HONOURED - HONOURED]
    return make_order(fields, arrival, config, given=given, sources=Sources(tuple(files), mask))


def _placed(place: ImagePlace, path: str) -> FilePart:
    match place.image_url, place.file_id:
        case (str(url), None | "") if url:
            return located_file(url, f"{path}.image_url")
        case (None | "", str(file_id)) if file_id:
            return kept_file(file_id, f"{path}.file_id")
        case _:
            raise refusal(path, "expected either 'image_url' or 'file_id'")


async def image_variations(request: web.Request) -> web.StreamResponse:
    """Draw variations of the picture in a form.

    Raises:
        ServiceError: the request is wrong, or no picture was made.
    """
    return await _drawn(request, may_have_mask=False)


async def _drawn(request: web.Request, *, may_have_mask: bool) -> web.StreamResponse:
    config = request.app[CONFIG]
    credential = credential_of(request)
    directory = request.app[UPLOADS].incoming
    async with open_form(request, directory, config.server.max_upload_bytes) as form:
        files, arrival = _images(form), arrival_of(request, credential)
        has_mask = may_have_mask and _MASK in form.files
        mask = FilePart(_MASK, local=_picture(_MASK, form.file(_MASK))) if has_mask else None
        fields = ImageFields(
            prompt=_prompt(form) if may_have_mask else _variation(form, files),
            model=form.text("model") or None,
            n=_number(form, "n"),
            size=form.text("size"),
            response_format=form.text("response_format"),
            render_profile=form.text("render_profile"),
            stream=_is_true(form, "stream"),
            partial_images=_number(form, "partial_images"),
            output_compression=_number(form, "output_compression"),
            **{name: form.text(name) for name in _OPTIONS},
        )
        order = make_order(fields, arrival, config, given=form.fields, sources=Sources(files, mask))
        return await draw(request, credential, order)


def _prompt(form: Form) -> str:
    prompt = form.text("prompt")
    if not prompt or not prompt.strip():
        raise refusal("prompt", "this field is required; say what to change")
    return prompt


def _variation(form: Form, images: tuple[FilePart, ...]) -> str:
    if len(images) > 1:
        raise refusal(_IMAGE, "a variation is made of one picture")
    prompt = form.text("prompt") or ""  # OpenAI has none here; who sends one means it
    return f"{VARIATION_WORDS}\n{prompt}".rstrip()


def _images(form: Form) -> tuple[FilePart, ...]:
    """Return the pictures: one `image`, or several of that name or of `image[]`."""
    found = [
        file for name, files in form.files.items() if _IMAGE_NAME.fullmatch(name) for file in files
    ]
    if not found:
        form.file(_IMAGE)
    if len(found) > MAX_IMAGES:
        raise refusal(_IMAGE, f"expected up to {MAX_IMAGES} pictures, got {len(found)}")
    paths = [_IMAGE] if len(found) == 1 else [f"{_IMAGE}[{at}]" for at in range(len(found))]
    return tuple(
        FilePart(path, local=_picture(path, file)) for path, file in zip(paths, found, strict=True)
    )


def _picture(path: str, file: LocalFile) -> LocalFile:
    with file.path.open("rb") as content:  # not in a thread: it is in the page cache
        head = content.read(_HEAD_BYTES)
    if not head.startswith(_STARTS) or (head.startswith(b"RIFF") and not head.endswith(_WEBP)):
        raise refusal(path, "this is no PNG, JPEG, GIF or WebP picture", "invalid_attachment")
    return file


def _is_true(form: Form, name: str) -> bool:
    """Read a switch, which is text in a form."""
    text = (form.text(name) or "").strip().lower()
    if text not in ("", "true", "false", "1", "0"):
        raise refusal(name, f"{quoted(text)} is neither true nor false")
    return text in ("true", "1")


def _number(form: Form, name: str) -> int | None:
    """Read a number, which is text in a form."""
    text = (form.text(name) or "").strip()
    if not text:
        return None
    if not _NUMBER.fullmatch(text):
        raise refusal(name, f"{quoted(text)} is no integer")
    return int(text)
