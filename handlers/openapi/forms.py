"""The forms: fields as the readers define them, and the files beside them."""

from collections.abc import Mapping
from typing import Any

from handlers.audio.transcriptions import FORMATS, LANGUAGE
from handlers.files.files import EXPIRES_AFTER_SECONDS, PURPOSE
from handlers.images.edits import MAX_IMAGES
from handlers.images.fields import HONOURED, ImageFields
from handlers.images.options import OPTIONS
from handlers.openapi.schemas import form_schema

Schema = dict[str, Any]


def _file(description: str) -> Schema:
    return {
        "type": "string",
        "format": "binary",  # as in OpenAPI 3.0, which more programs know
        "contentMediaType": "application/octet-stream",
        "description": description,
    }


_PICTURE = _file("A PNG, JPEG, GIF or WebP picture.")


def _pictures(files: Mapping[str, Schema], required: list[str]) -> Schema:
    return {**form_schema(ImageFields, HONOURED | OPTIONS, files), "required": required}


FORMS: Mapping[str, Schema] = {
    "FileForm": {
        "type": "object",
        "properties": {
            "file": _file("The file, with its name."),
            "purpose": {
                "type": "string",
                "description": "Such as `user_data` or `vision`; it has no effect of its own.",
                "pattern": f"^(?:{PURPOSE.pattern})$",
            },
            EXPIRES_AFTER_SECONDS: {
                "type": "string",
                "description": "How long the file is kept, at most as long as all are.",
                "pattern": "^[0-9]{1,10}$",
            },
        },
        "required": ["file", "purpose"],
    },
    "TranscriptionForm": {
        "type": "object",
        "properties": {
            "file": _file("The recording."),
            "model": {"type": "string", "description": "Any name; the upstream has one."},
            "language": {
                "type": "string",
                "description": "The language that is spoken, as a code.",
                "pattern": f"^({LANGUAGE.pattern})?$",
            },
            "response_format": {"type": "string", "enum": ["", *FORMATS]},
            "stream": {
                "type": "string",
                "description": "Answer with server-sent events; the text comes in one piece.",
                "enum": ["true", "false"],
            },
        },
        "required": ["file"],
    },
    "ImageEditForm": _pictures(
        {
            "image": {
                "type": "array",
                "items": _PICTURE,
                "minItems": 1,
                "maxItems": MAX_IMAGES,
                "description": "One or several; a part may be called `image[]` as well.",
            },
            "mask": _file("Only what is transparent or white in it is drawn anew."),
        },
        ["image", "prompt"],
    ),
    "ImageVariationForm": _pictures({"image": _PICTURE}, ["image"]),
}
