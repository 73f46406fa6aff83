"""Pictures: the size of one that a caller sends, and the form of one that is handed out (spec 8, 9)."""

from io import BytesIO
from pathlib import Path

from msgspec import Struct
from PIL import Image, UnidentifiedImageError

from upstream.fetching.media_types import media_type

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


# SyntaxError is Pillow's word for a broken PNG. Its warning of many pixels comes
# long after our own limit, as an error where warnings are errors.
_UNREADABLE = (
    UnidentifiedImageError,
    OSError,
    ValueError,
    SyntaxError,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)
_PNG = "image/png"


def picture_size(source: bytes | Path, kind: str) -> PictureSize | None:
    """Return a picture's size, None when it is broken or over the limit; blocks.

    It is read to its end once, since a cut picture has a perfect head.
    """
    image_format = PICTURE_TYPES.get(kind)
    if image_format is None:
        return None
    try:
        return _size(source, image_format)
    except _UNREADABLE:
        return None


def web_picture(content: bytes, claimed_type: str) -> tuple[bytes, str]:
    """Return a picture that a browser shows, and its type: as it is, else as a PNG; blocks.

    What cannot be read is passed on under the claimed type, or as a PNG: the
    upstream said that it is a picture.
    """
    kind = media_type(content, None, "")
    if kind in PICTURE_TYPES:
        return content, kind
    try:
        with Image.open(BytesIO(content)) as image:
            if image.width * image.height <= MAX_PIXELS:
                converted = BytesIO()
                mode = "RGBA" if image.has_transparency_data else "RGB"
                image.convert(mode).save(converted, "PNG")
                return converted.getvalue(), _PNG
    except _UNREADABLE:
        pass
    return content, claimed_type if claimed_type in PICTURE_TYPES else _PNG


def _size(source: bytes | Path, image_format: str) -> PictureSize | None:
    file = BytesIO(source) if isinstance(source, bytes) else source
    with Image.open(file, formats=(image_format,)) as image:
        width, height = image.size
        if width * height > MAX_PIXELS:
            return None
        if image_format == "PNG":
            image.verify()  # its checksums, which needs no memory for the pixels
        else:
            image.draft(image.mode, _DRAFT_PIXELS)  # a JPEG is unpacked smaller, and so faster
            image.load()
    return PictureSize(width, height)
