"""Words into others of their kind: what is scrubbed looks alike and means nothing.

Each letter and digit becomes another one of its class, drawn from all that stands before
it in its string; marks, blanks and signs stay. So equal strings stay equal and growing
ones grow, but without the key, which is forgotten, nothing can be read back.
Whatever the stages look for inside a text stays: the marks of citations, `sandbox:/`,
the names of a picture tool's arguments, and the like.
"""

import hashlib
import secrets
import string
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import astuple, replace

# Ranges of letters that stay in their range: as many bytes, and of the same case.
_RANGES = (
    *((0xC0, 0xD6), (0xD8, 0xF6), (0xF8, 0xFF), (0x100, 0x17F), (0x391, 0x3A1), (0x3B1, 0x3C9)),
    *((0x410, 0x42F), (0x430, 0x44F), (0x5D0, 0x5EA), (0x621, 0x63A), (0x641, 0x64A)),
    *((0x905, 0x939), (0xE01, 0xE2E), (0x3041, 0x3096), (0x30A1, 0x30FA), (0x3400, 0x4DBF)),
    *((0x4E00, 0x9FFF), (0xAC00, 0xD7A3)),
)
_CLASSES = (string.ascii_lowercase, string.ascii_uppercase, string.digits)
_HEX = "0123456789abcdef"
_OTHER, _OTHER_WIDE = "\u2c61", "\U00010400"  # for letters of no range
_WIDE = 0x10000
_MARKER_OPEN, _MARKER_CLOSE = "\ue200", "\ue201"
_NUMBERED_OPEN, _NUMBERED_CLOSE = "【", "】"
_KEY_BYTES = 16
_STATE_BYTES = 8
_MAX_RECENT = 64
_UNICODE_ESCAPE_CHARS = 4

# What stages look for. As far as a text agrees with one of these it is kept.
_LITERALS = (
    *("sandbox:/", "<<ImageDisplayed>>", "<tool_call>", "</tool_call>", "\ue202turn"),
    *(f"{_MARKER_OPEN}{kind}\ue202" for kind in ("cite", "filecite", "navlist", "image_group")),
)
_STARTS = (
    *("http://", "https://", "wss://", "sediment://file_", "file-service://file-"),
    "Processing image",  # a notice of the website's
)
_PLACEHOLDERS = ("file_upload", "file-service://file_upload", "sediment://file_upload")
_ARGUMENTS = (
    *("size", "n", "prompt", "referenced_image_ids", "transparent_background", "background"),
    *("is_style_transfer", "quality", "style"),
)
_JSON_WORDS = ("true", "false", "null")


class _State(Struct):
    """Where a string has come to."""

    digest: bytes
    start: str | None = ""  # the whole string, while it may be one of `_STARTS`
    literal: str = ""  # the end of the text that may become one of `_LITERALS`
    marker: str = ""  # what closes the marker that is open
    is_json: bool = False
    inside: str | None = None  # the JSON string in the text that is open, as far as it has come
    escape: int = -1  # characters of an escape that are still to come; 0: the next one tells
    is_number: bool = False  # the character before is part of a JSON number
    word: str = ""  # a JSON word, as far as it has come


class Cipher:
    """Replaces strings; one instance for each capture.

    Args:
        key: None draws one.
    """

    def __init__(self, key: bytes | None = None) -> None:
        self._key = key or secrets.token_bytes(_KEY_BYTES)
        self._recent: dict[str, tuple[str, _State]] = {}  # texts grow: most begin like one of these

    def of(self, text: str) -> str:
        """Return what stands for a text; the same for the same one, and as long."""
        known = max((each for each in self._recent if text.startswith(each)), key=len, default="")
        if known:
            out, state = self._recent[known]
            state = replace(state)
        else:
            out, state = "", _State(self._digest(b""), is_json=text[:1] == "{")
        out += "".join([self._next(char, state) for char in text[len(known) :]])
        self._recent[text] = (out, state)
        if len(self._recent) > _MAX_RECENT:
            self._recent.pop(next(iter(self._recent)))
        return out

    def _digest(self, data: bytes) -> bytes:
        return hashlib.blake2b(data, key=self._key, digest_size=_STATE_BYTES).digest()

    def _next(self, char: str, state: _State) -> str:
        out = char
        if char.isalnum() and not _is_kept(char, state):
            out = _replaced(char, int.from_bytes(state.digest), state)
        _go_on(char, state)
        if char == state.marker:
            state.marker = ""
        if char in (_MARKER_OPEN, _NUMBERED_OPEN):
            # A marker stands in the metadata, too, by itself: in the text it begins anew.
            state.digest = self._digest(char.encode())
            state.marker = _MARKER_CLOSE if char == _MARKER_OPEN else _NUMBERED_CLOSE
        elif state.start is not None and state.start.endswith("://"):
            state.digest = self._digest(b"")  # an id is the same with and without a scheme
        else:
            state.digest = self._digest(state.digest + char.encode("utf-8", "surrogatepass"))
        return out


def _is_kept(char: str, state: _State) -> bool:
    """Return whether a stage could take this letter or digit for one of its own."""
    if state.marker == _NUMBERED_CLOSE and char.isdecimal():
        return True
    if state.start is not None and _begins(_STARTS + _PLACEHOLDERS, state.start + char):
        return True
    return bool(_grown(state.literal, char)) or (state.is_json and _is_kept_in_json(char, state))


def _is_kept_in_json(char: str, state: _State) -> bool:
    if state.inside is None:
        is_exponent = state.is_number and char in "eE"
        return is_exponent or _begins(_JSON_WORDS, state.word + char)
    return state.escape == 0 or (state.escape < 0 and _begins(_ARGUMENTS, state.inside + char))


def _begins(words: tuple[str, ...], start: str) -> bool:
    return any(word.startswith(start) for word in words)


def _grown(literal: str, char: str) -> str:
    """Return the longest end of a text that is the beginning of a literal."""
    text = literal + char
    return next((text[at:] for at in range(len(text)) if _begins(_LITERALS, text[at:])), "")


def _go_on(char: str, state: _State) -> None:
    if state.start is not None:
        start = state.start + char
        state.start = start if _begins(_STARTS + _PLACEHOLDERS, start) else None
    state.literal = _grown(state.literal, char)
    if state.is_json:
        _go_on_in_json(char, state)


def _go_on_in_json(char: str, state: _State) -> None:
    if state.inside is None:
        state.inside = "" if char == '"' else None
        state.is_number = char.isdecimal() or (state.is_number and char in ".eE+-")
        state.word = state.word + char if char.isalpha() else ""
        return
    if state.escape == 0:
        state.escape = _UNICODE_ESCAPE_CHARS if char == "u" else -1
    elif state.escape > 0:
        state.escape = state.escape - 1 or -1
    elif char == '"':
        state.inside = None
        return
    elif char == "\\":
        state.escape = 0
    state.inside += char


def _replaced(char: str, drawn: int, state: _State) -> str:
    """Return another character of the class of this one, none that would be kept there."""
    if state.is_json and state.escape > 0 and char.lower() in _HEX:
        return _shifted(char.lower(), _HEX, drawn)
    if state.is_json and state.inside is None and char in string.digits:
        return char if char == "0" else _shifted(char, "123456789", drawn)  # 012 is no number
    for letters in _CLASSES:
        if char in letters:
            return _shifted(char, _free(letters, astuple(state)[1:]), drawn)
    code = ord(char)
    for first, last in _RANGES:
        if first <= code <= last:
            return chr(_shifted(code, range(first, last + 1), drawn))
    return _OTHER if code < _WIDE else _OTHER_WIDE


@lru_cache(maxsize=4096)
def _free(letters: str, place: tuple[Any, ...]) -> list[str]:
    """Return those of the letters that are not kept at a place, a state without its digest."""
    state = _State(b"", *place)
    return [each for each in letters if not _is_kept(each, state)]


_One = TypeVar("_One")


def _shifted(one: _One, those: Sequence[_One], drawn: int) -> _One:
    """Return another one of those, the same for no two of them."""
    return those[(those.index(one) + 1 + drawn % (len(those) - 1)) % len(those)]
