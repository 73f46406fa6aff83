"""Pictures: the size of those that callers send, the format of those handed out (spec 8, 9)."""

from functools import cache
from io import BytesIO
from pathlib import Path

from msgspec import Struct

from upstream.fetching.media_types import media_type

# The types that the model can see, with Pillow's names of the formats.
PICTURE_TYPES = {
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/gif": "GIF",
    "image/webp": "WEBP",
}
MAX_PIXELS = 50_000_000  # two hundred megabytes unpacked, and the largest that phones take
_DRAFT_PIXELS = (512, 512)


class PictureSize(Struct, frozen=True):
    """Width and height in pixels."""

    width: int
    height: int


_PNG = "image/png"


def picture_size(source: bytes | Path, kind: str) -> PictureSize | None:
    """Return a picture's size, None if it is broken or over the limit. Blocks.

    The picture is read to its end, since one that is cut off has a perfect head.
    """
    image_format = PICTURE_TYPES.get(kind)
    if image_format is None:
        return None
    try:
        return _size(source, image_format)
    except _unreadable():
        return None


def web_picture(content: bytes, claimed_type: str) -> tuple[bytes, str]:
    """Return a picture that browsers show and its type: unchanged, else as a PNG. Blocks.

    A picture that cannot be read is returned unchanged under the claimed type, or as a PNG, since
    the upstream says that it is a picture.
    """
    kind = media_type(content, None, "")
    if kind in PICTURE_TYPES:
        return content, kind
    from PIL import Image  # noqa: PLC0415 - see `_unreadable`

    try:
        with Image.open(BytesIO(content)) as image:
            if image.width * image.height <= MAX_PIXELS:
                converted = BytesIO()
                mode = "RGBA" if image.has_transparency_data else "RGB"
                image.convert(mode).save(converted, "PNG")
                return converted.getvalue(), _PNG
    except _unreadable():
        pass
    return content, claimed_type if claimed_type in PICTURE_TYPES else _PNG


@cache
def _unreadable() -> tuple[type[Exception], ...]:
    """Return the errors of Pillow, which is imported with the first picture, for its memory.

    It raises SyntaxError for a broken PNG. Its warning about many pixels is far above our own limit,
    and an error where warnings are errors.
    """
    from PIL import Image, UnidentifiedImageError  # noqa: PLC0415

    return (
        UnidentifiedImageError,
        OSError,
        ValueError,
        SyntaxError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    )


def _size(source: bytes | Path, image_format: str) -> PictureSize | None:
    from PIL import Image  # noqa: PLC0415 - see `_unreadable`

    file = BytesIO(source) if isinstance(source, bytes) else source
    with Image.open(file, formats=(image_format,)) as image:
        width, height = image.size
        if width * height > MAX_PIXELS:
            return None
        if image_format == "PNG":
            image.verify()  # checks the checksums without memory for the pixels
        else:
            image.draft(image.mode, _DRAFT_PIXELS)  # a JPEG is unpacked smaller and faster
            image.load()
    return PictureSize(width, height)
