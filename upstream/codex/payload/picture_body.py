"""An order of pictures -> the JSON that Codex's back end takes (codex 5).

images/generations   {"model": "gpt-image-2", "prompt": …, "n": 2, "size": "1024x1024"}
images/edits         … with {"images": [{"image_url": "data:…"}], "mask": {"image_url": "data:…"}}
responses            the tool `image_generation`, which has to be used: one picture a turn
"""

from collections.abc import Mapping
from typing import Any

from msgspec import structs

from service.vocabulary.errors import RequestError
from service.vocabulary.requests import ChatRequest, FilePart, PictureOrder, Wishes
from upstream.codex.payload.items import InlineFile
from upstream.codex.payload.turn_body import DRAWING, IMAGES, CodexTurn

MAX_PICTURES = 5  # that an edit takes
_OF_TOOL = ("size", "quality", "output_format", "background", "moderation")


def picture_turn(
    request: ChatRequest, order: PictureOrder, model: str, files: Mapping[str, InlineFile]
) -> CodexTurn:
    """Return an order of its own.

    Args:
        request: has the pictures to draw from.
        order: what to draw.
        model: draws it.
        files: the request's, by the paths of their parts.

    Raises:
        RequestError: a file is no picture, or there are too many.
    """
    body: dict[str, Any] = {
        "model": model,
        "prompt": order.prompt,
        "n": order.count,
        **order.options,
    }
    places = {path: _place(path, files) for path in _paths(request)}
    drawn_from = [place for path, place in places.items() if path != order.mask_path]
    if len(drawn_from) > MAX_PICTURES:
        param = next(iter(places)).partition("[")[0]
        message = f"{param}: expected up to {MAX_PICTURES} pictures, got {len(drawn_from)}."
        raise RequestError(message, param=param)
    if drawn_from:
        body["images"] = drawn_from
    if order.mask_path:
        body["mask"] = places[order.mask_path]
    if order.previews:
        body |= {"stream": True, "partial_images": order.previews}
    path = f"{IMAGES}{'edits' if drawn_from else 'generations'}"
    return CodexTurn(body, has_files=bool(files), path=path)


def told_to_draw(request: ChatRequest, order: PictureOrder, model: str = "") -> ChatRequest:
    """Return the turn in which a model of text draws one picture of an order with its tool.

    Args:
        request: has the prompt in words, and the pictures to draw from.
        order: what to draw.
        model: of the tool; empty for its own choice.
    """
    named = {"model": model} if model else {}
    options = {name: order.options[name] for name in _OF_TOOL if name in order.options}
    previews = {"partial_images": order.previews} if order.previews else {}
    tool = {"type": DRAWING, **named, **options, **previews}
    wishes = Wishes(tools=(tool,), tool_choice={"type": DRAWING})
    return structs.replace(request, wishes=wishes)


def _paths(request: ChatRequest) -> list[str]:
    parts = (part for message in request.messages for part in message.parts)
    return [part.path for part in parts if isinstance(part, FilePart)]


def _place(path: str, files: Mapping[str, InlineFile]) -> dict[str, str]:
    file = files[path]
    if not file.is_picture:
        message = f"{path}: this is no PNG, JPEG, GIF or WebP picture."
        raise RequestError(message, code="invalid_attachment", param=path)
    return {"image_url": file.data_url}
