"""The support list of pictures and files."""

import io
from typing import Any

from PIL import Image

from tests.compatibility.case import Case, File, Seen, Verdict, honoured, ignored, refused


def _png(colour: str) -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (8, 6), colour).save(made, "PNG")
    return made.getvalue()


PICTURE = File(_png("red"), "boat.png", "a picture")
MASK = File(_png("white"), "mask.png", "a picture")
ORDER: dict[str, Any] = {"prompt": "a boat", "size": "64x64"}
EDIT: dict[str, Any] = {**ORDER, "image": PICTURE}
VARIATION: dict[str, Any] = {"image": PICTURE, "size": "64x64"}
PREVIEW: dict[str, Any] = {"prompt": "a boat with a preview", "stream": True}


def count(seen: Seen) -> int:
    return len(seen.answer.json["data"])


def attached(seen: Seen) -> int:
    """Return how many pictures reached the demo."""
    return seen.words.count('"asset_pointer"')


SHARED: list[Case] = [
    honoured("model", "gpt-4-s", lambda seen: seen.turn["model"] == "gpt-4"),
    honoured("size", "96x64", lambda seen: "size:96x64" in seen.words),
    honoured("response_format", "b64_json", lambda seen: "b64_json" in seen.answer.json["data"][0]),
    honoured("response_format", "url", lambda seen: "url" in seen.answer.json["data"][0]),
    refused("response_format", "bmp"),
]
_INERT: dict[str, Any] = {
    "background": "transparent",
    "complexity": "low",
    "frame_count": 2,
    "frame_duration_ms": 100,
    "output_compression": 50,
    "output_format": "webp",
    "quality": "hd",
    "safety_identifier": "a",
    "user": "a",
}
ORDER_CASES: list[Case] = [
    honoured("prompt", "two boats", lambda seen: "prompt:two boats" in seen.words),
    refused("prompt", ""),
    honoured("n", 2, lambda seen: count(seen) == 2),
    refused("n", 11),
    honoured("stream", True, lambda seen: b".completed" in seen.answer.body),
    honoured("partial_images", 2, lambda seen: b".partial_image" in seen.answer.body, **PREVIEW),
    refused("partial_images", 4),
    *SHARED,
    *(
        ignored(name, value)
        for name, value in {
            **_INERT,
            "moderation": "low",
            "style": "vivid",
            "svg": {},
        }.items()
    ),
]
_FORM_INERT = {name: str(value).lower() for name, value in _INERT.items()}
EDIT_CASES: list[Case] = [
    honoured("prompt", "two boats", lambda seen: "prompt:two boats" in seen.words),
    refused("prompt", ""),
    honoured("image", PICTURE, lambda seen: attached(seen) == 1),
    refused("image", File(b"no picture", "boat.png", "a file that is no picture")),
    honoured("mask", MASK, lambda seen: attached(seen) == 2),
    honoured("stream", "true", lambda seen: b".completed" in seen.answer.body),
    honoured(
        "partial_images",
        "2",
        lambda seen: b".partial_image" in seen.answer.body,
        **PREVIEW | {"stream": "true"},
    ),
    honoured("n", "2", lambda seen: count(seen) == 2),
    refused("n", "11"),
    *SHARED,
    *(
        ignored(name, value)
        for name, value in {
            **_FORM_INERT,
            "input_fidelity": "high",
            "markup": "a",
            "svg": "a",
        }.items()
    ),
]
VARIATION_CASES: list[Case] = [
    honoured("image", PICTURE, lambda seen: attached(seen) == 1),
    honoured("n", "2", lambda seen: count(seen) == 2),
    refused("n", "11"),
    *SHARED,
    ignored("user", "a"),
]
UPLOAD: dict[str, Any] = {
    "file": File(b"boats float", "boats.txt"),
    "purpose": "user_data",
}


async def is_stored(seen: Seen) -> bool:
    path = f"/files/{seen.answer.json['id']}/content"
    return (await seen.call("GET", path)).body == b"boats float"


def purposes(seen: Seen) -> list[str]:
    return [each["purpose"] for each in seen.answer.json["data"]]


def lives(seen: Seen) -> int:
    return int(seen.answer.json["expires_at"] - seen.answer.json["created_at"])


UPLOAD_CASES: list[Case] = [
    honoured("file", UPLOAD["file"], is_stored),
    refused("file", File(b"", "boats.txt", "an empty file")),
    honoured("purpose", "vision", lambda seen: seen.answer.json["purpose"] == "vision"),
    refused("purpose", "no purpose"),
    # The SDK sends what is in it as fields of this form.
    Case(
        "expires_after",
        '{"anchor": "created_at", "seconds": 3600}',
        Verdict.HONOURED,
        {"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"},
        lambda seen: lives(seen) == 3600,
    ),
]
LIST_CASES: list[Case] = [
    honoured("limit", "1", lambda seen: count(seen) == 1),
    refused("limit", "0"),
    honoured("after", "{file}", lambda seen: purposes(seen) == ["assistants"]),
    honoured("order", "asc", lambda seen: purposes(seen)[0] == "assistants"),
    refused("order", "random"),
    honoured("purpose", "assistants", lambda seen: set(purposes(seen)) == {"assistants"}),
]
