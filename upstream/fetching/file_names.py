"""Names of files as they are sent upstream, with an extension that fits their type."""

from email.message import Message
from pathlib import PurePosixPath

from service.files.file_names import last_step, without_controls
from upstream.fetching.media_types import extension

_MAX_STEM_CHARS = 120
_MAX_SUFFIX_CHARS = 12
_DEFAULT_STEM = "file"


def safe_name(written: str, media_type: str) -> str:
    """Return the last part of a name or path, cleaned, with an extension that fits the type.

    `../a/photo` of type `image/png` gives `photo.png`.
    """
    path = PurePosixPath(last_step(written) or _DEFAULT_STEM)
    is_suffix = 1 < len(path.suffix) <= _MAX_SUFFIX_CHARS
    stem = path.stem if is_suffix else path.name
    return stem[:_MAX_STEM_CHARS] + (path.suffix if is_suffix else extension(media_type))


def disposition_name(header: str | None) -> str:
    """Return the file name in a Content-Disposition header, or ''.

    Both `filename="a.png"` and `filename*=UTF-8''a.png` are read.
    """
    if not header:
        return ""
    message = Message()
    message["Content-Disposition"] = without_controls(header)
    return message.get_filename() or ""
