"""Reads how pictures are to look, for an upstream that takes OpenAI's own options (codex 5)."""

import re
from typing import Any, Protocol

from handlers.reading.json_body import quoted, refusal

_SIZE = re.compile(r"auto|[1-9]\d{1,4}x[1-9]\d{1,4}", re.ASCII)
_MAX_COMPRESSION = 100
# The former words for a quality, of models before those that draw here.
_FORMER = {"standard": "medium", "hd": "high"}
CHOICES = {
    "quality": ("auto", "low", "medium", "high", "xhigh", "max"),
    "background": ("auto", "opaque", "transparent"),
    "output_format": ("png", "jpeg", "webp"),
    "moderation": ("auto", "low"),
    "input_fidelity": ("low", "high"),
}
OPTIONS = frozenset({*CHOICES, "output_compression"})


class Asked(Protocol):
    """The fields that are options, as they were sent."""

    @property
    def size(self) -> str | None:
        """Such as `1024x1024`."""

    @property
    def output_compression(self) -> int | None:
        """Percent."""


def options_of(fields: Asked, *, is_edit: bool) -> dict[str, str | int]:
    """Return the options by OpenAI's names; one that was not sent is left to the upstream.

    Args:
        fields: as sent.
        is_edit: pictures are drawn from others.

    Raises:
        RequestError: an option has a value that no image model knows, or does not fit another.
    """
    found: dict[str, str | int] = {}
    if fields.size is not None and fields.size.strip():
        found["size"] = _size(fields.size.strip())
    for name, known in CHOICES.items():
        value = getattr(fields, name)
        if value is not None and value != "":
            found[name] = _choice(name, value, known)
    if fields.output_compression is not None:
        found["output_compression"] = _compression(fields.output_compression)
    if "input_fidelity" in found and not is_edit:
        raise refusal("input_fidelity", "it is about pictures to draw from, and there are none")
    if found.get("background") == "transparent" and found.get("output_format") == "jpeg":
        raise refusal("background", "a JPEG cannot be transparent; use 'png' or 'webp'")
    return found


def _size(size: str) -> str:
    if not _SIZE.fullmatch(size):
        raise refusal("size", f"{quoted(size)} is no size; use one such as '1024x1024', or 'auto'")
    return size


def _choice(name: str, value: Any, known: tuple[str, ...]) -> str:
    word = _FORMER.get(value, value) if name == "quality" and isinstance(value, str) else value
    if word not in known:
        choices = ", ".join(f"'{one}'" for one in known)
        raise refusal(name, f"{quoted(str(value))} is not known; use one of {choices}")
    return str(word)


def _compression(percent: int) -> int:
    if not 0 <= percent <= _MAX_COMPRESSION:
        raise refusal("output_compression", f"expected 0 to {_MAX_COMPRESSION}, got {percent}")
    return percent
