"""Cleans file names that come from outside: safe to show and to send, never used as a path."""

import re

MAX_NAME_CHARS = 255
# Control characters, those that change the direction of text, halves of surrogate pairs.
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_DRIVE = re.compile(r"^[A-Za-z]:(?!$)")
_MAX_SUFFIX_CHARS = 12


def without_controls(text: str) -> str:
    """Return a text without the characters that a name or header must not contain."""
    return _FORBIDDEN.sub("", text)


def last_step(written: str) -> str:
    """Return the last step of a path, cleaned: `c.txt` of `../b/c.txt`; may be empty."""
    last = without_controls(written).replace("\\", "/").rsplit("/", 1)[-1]
    return _DRIVE.sub("", last.strip(" ."), count=1).strip(" .")


def shown_name(written: str, default: str = "file") -> str:
    """Return the name to store and show: the last step, shortened but with its ending."""
    name = last_step(written) or default
    if len(name) <= MAX_NAME_CHARS:
        return name
    stem, dot, suffix = name.rpartition(".")
    if not dot or len(suffix) > _MAX_SUFFIX_CHARS:
        return name[:MAX_NAME_CHARS]
    return f"{stem[: MAX_NAME_CHARS - len(suffix) - 1]}.{suffix}"
