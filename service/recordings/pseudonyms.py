"""Replaces texts by others of the same form, so that a scrubbed text looks alike and says nothing.

Each letter and digit becomes another of its class, drawn by a keyed hash of the characters before
it; blanks and punctuation stay. So equal texts stay equal and growing texts still grow, but nothing
can be recovered without the key, which is forgotten. Two rules look at the preceding characters as
well, at most `WINDOW` of them, so that any piece of a text can be replaced by itself:

* A word that a stage looks for stays (`_LITERALS`), as far as the text agrees with it:
  `](sandbox:/mnt/a.csv)` becomes `](sandbox:/kqw/t.zop)`.
* A marker or an id is replaced alike wherever it stands, since the hash starts anew there: in
  `file-service://file-abc` as in `file-abc`.
"""

import hashlib
import re
import secrets
import string
from collections.abc import Iterator, Sequence
from typing import TypeVar

WINDOW = 64  # characters; longer than any literal
# Ranges of letters that are replaced within their range: as many bytes, and of the same case.
_RANGES = (
    *((0xC0, 0xD6), (0xD8, 0xF6), (0xF8, 0xFF), (0x100, 0x17F), (0x391, 0x3A1), (0x3B1, 0x3C9)),
    *((0x410, 0x42F), (0x430, 0x44F), (0x5D0, 0x5EA), (0x621, 0x63A), (0x641, 0x64A)),
    *((0x905, 0x939), (0xE01, 0xE2E), (0x3041, 0x3096), (0x30A1, 0x30FA), (0x3400, 0x4DBF)),
    *((0x4E00, 0x9FFF), (0xAC00, 0xD7A3)),
)
_CLASSES = (string.ascii_lowercase, string.ascii_uppercase, string.digits)
_OTHER, _OTHER_WIDE = "\u2c61", "\U00010400"  # for letters of no range
_WIDE = 0x10000
_BEGIN = "\x02"  # precedes the first character of a text
_KEY_BYTES = 16
_DRAWN_BYTES = 8
_MAX_RECENT = 64

_KINDS = (
    *("cite", "filecite", "navlist", "image_group", "genui", "url", "video", "link_title"),
    *("entity", "product_entity", "product", "products"),
)
_LITERALS = (
    *("sandbox:/", "<<ImageDisplayed>>", "<tool_call>", "</tool_call>", "\ue202turn"),
    *(":contentReference[oaicite:", ":::writing", "\ue202http://", "\ue202https://"),
    *(f"\ue200{kind}\ue202" for kind in _KINDS),
    *('\ue200genui\ue202{"math', '":{"content":"', '\ue200products\ue202{"selections'),
    *(f"{_BEGIN}{start}" for start in ("http://", "https://", "wss://", "file_upload")),
    *(f"{_BEGIN}{scheme}file_upload" for scheme in ("file-service://", "sediment://")),
    f"{_BEGIN}file-service://file-",
    f"{_BEGIN}Processing image",  # a notice of the website
)
_JSON_LITERALS = (
    *('"size', '"n', '"prompt', '"referenced_image_ids', '"transparent_background', '"background'),
    *('"is_style_transfer', '"quality', '"style', '"name', '"type', '"content', '"updates'),
    *('"replacement', '"search_query', '"query', '"q'),
    *(f"{before}{word}" for word in ("true", "false", "null") for before in (":", ",", "[", "{")),
    *(f"{before} {word}" for word in ("true", "false", "null") for before in (":", ",")),
)
_ANEW = re.compile(r".*(?:[\ue200【\x02]|://)", re.DOTALL)  # up to where the hash starts anew
_NUMBERED = re.compile(r"【[\d:]*\Z")  # the next digit belongs to the number of a source
_ESCAPE = re.compile(r"(?<!\\)(?:\\\\)*\\\Z")  # the next character is the letter of a JSON escape
_ESCAPED = re.compile(r"(?<!\\)(?:\\\\)*\\u[0-9A-Fa-f]{0,3}\Z")  # a digit of a code point follows
_HEX, _NON_ZERO = "0123456789abcdef", "123456789"


def _followers(literals: Sequence[str]) -> dict[str, set[str]]:
    """Return, for each beginning of a literal, the characters that may follow it."""
    found: dict[str, set[str]] = {}
    for literal in literals:
        for at, char in enumerate(literal):
            found.setdefault(literal[:at], set()).add(char)
    return found


_IN_TEXT = _followers(_LITERALS)
_IN_JSON = _followers(_LITERALS + _JSON_LITERALS)
_LONGEST = max(map(len, _IN_JSON))
_One = TypeVar("_One", str, int)


class Cipher:
    """Replaces texts; one instance for each capture.

    Args:
        key: the key of the hash; None draws one.
    """

    def __init__(self, key: bytes | None = None) -> None:
        self._key = key or secrets.token_bytes(_KEY_BYTES)
        self._recent: dict[str, str] = {}  # texts grow: most begin like one of these

    def of(self, text: str) -> str:
        """Return the pseudonym of a text; equal for equal texts, and as long."""
        known = max((each for each in self._recent if text.startswith(each)), key=len, default="")
        out = self._recent.get(known, "") + "".join(self._replaced(text, len(known)))
        self._recent[text] = out
        if len(self._recent) > _MAX_RECENT:
            self._recent.pop(next(iter(self._recent)))
        return out

    def _replaced(self, text: str, start: int) -> Iterator[str]:
        """Yield the replacement of each character from `start` on."""
        is_json = text[:1] == "{"
        before = (_BEGIN + text[max(0, start - WINDOW) : start])[-WINDOW:]
        for char in text[start:]:
            yield self._replacement(char, before, is_json=is_json) if char.isalnum() else char
            before = (before + char)[-WINDOW:]

    def _replacement(self, char: str, before: str, *, is_json: bool) -> str:
        kept = _kept(before, is_json=is_json)
        if char in kept or (char.isdecimal() and _NUMBERED.search(before)):
            return char
        if is_json and _ESCAPED.search(before):
            return self._drawn(char.lower(), _HEX, before) if char.lower() in _HEX else char
        if is_json and (_ESCAPE.search(before) or char == "0" or _is_exponent(char, before)):
            return char
        for letters in (_NON_ZERO, *_CLASSES) if is_json else _CLASSES:
            if char in letters:
                return self._drawn(char, [each for each in letters if each not in kept], before)
        code = ord(char)
        for first, last in _RANGES:
            if first <= code <= last:
                return chr(self._drawn(code, range(first, last + 1), before))
        return _OTHER if code < _WIDE else _OTHER_WIDE

    def _drawn(self, one: _One, those: Sequence[_One], before: str) -> _One:
        """Return another character of the class; no two characters get the same one."""
        anew = _ANEW.match(before)
        context = before[anew.end() if anew else 0 :].encode("utf-8", "surrogatepass")
        digest = hashlib.blake2b(context, key=self._key, digest_size=_DRAWN_BYTES).digest()
        step = 1 + int.from_bytes(digest) % (len(those) - 1)
        return those[(those.index(one) + step) % len(those)]


def _kept(before: str, *, is_json: bool) -> set[str]:
    """Return the characters that would begin or continue a literal at this place."""
    followers = _IN_JSON if is_json else _IN_TEXT
    ends = (before[len(before) - size :] for size in range(min(_LONGEST, len(before)) + 1))
    return set[str]().union(*(followers[end] for end in ends if end in followers))


def _is_exponent(char: str, before: str) -> bool:
    return char in "eE" and before[-1:].isdecimal()
