"""The size of a picture that a caller sends, if it is whole (spec 8)."""

import warnings
from io import BytesIO
from pathlib import Path

from msgspec import Struct
from PIL import Image, UnidentifiedImageError

# The types that the model can see; the formats' names are Pillow's.
PICTURE_TYPES = {
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/gif": "GIF",
    "image/webp": "WEBP",
}
MAX_PIXELS = 50_000_000  # two hundred megabytes once unpacked; phones take pictures up to this
_DRAFT_PIXELS = (512, 512)


class PictureSize(Struct, frozen=True):
    """Width and height in pixels."""

    width: int
    height: int


def picture_size(source: bytes | Path, media_type: str) -> PictureSize | None:
    """Return a picture's size, None when it is broken or over the limit; blocks.

    Its pixels are unpacked once, since a cut picture has a perfect head.
    """
    image_format = PICTURE_TYPES.get(media_type)
    if image_format is None:
        return None
    try:
        # Pillow warns of many pixels before our own, lower limit is looked at.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            return _size(source, image_format)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None  # SyntaxError: Pillow's word for a broken PNG


def _size(source: bytes | Path, image_format: str) -> PictureSize | None:
    file = BytesIO(source) if isinstance(source, bytes) else source
    with Image.open(file, formats=(image_format,)) as image:
        width, height = image.size
        if width * height > MAX_PIXELS:
            return None
        image.draft(image.mode, _DRAFT_PIXELS)  # a JPEG is unpacked smaller, and so faster
        image.load()
    return PictureSize(width, height)
