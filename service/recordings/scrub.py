"""Scrubs a captured stream for a bug report: no ids, names, URLs, tokens or texts remain.

The copy is as long, is cut into the same events, and means the same to every stage. The words of
the protocol stay: keys, kinds, states, operations, punctuation and small numbers. All else goes
through `Cipher`: equal strings stay equal, and two strings with the same beginning still share it,
so that text grows where it grew and is rewritten where it was.
"""

import json
import re
from contextlib import suppress
from typing import Any

from service.recordings.captures import blocks, body_of, lines_of
from service.recordings.pseudonyms import Cipher
from service.stages.decode.delta_v1 import MISSING, apply
from service.stages.decode.known_words import ACTION
from service.vocabulary.errors import UpstreamProtocolError

# Keys whose values are words of the protocol, on which a stage depends.
_KEPT = frozenset(
    {
        *("type", "o", "role", "content_type", "status", "channel", "recipient", "kind", "marker"),
        *("event", "language", "message_type", "async_task_type", "turn_use_case", "tool_name"),
        *("model_slug", "resolved_model_slug", "default_model_slug", "requested_model_slug"),
        *("code", "error_code", "category"),
    }
)
_OUTER = (None, "error", "detail")  # above a `code` that names an error; others are users'
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]{0,63}|image gen")
_KEY = re.compile(r"[a-z_][A-Za-z0-9_]{0,47}")
_ID_LIKE = re.compile(r"\d{6}|[0-9a-f]{8}-|(?:^|[^A-Za-z])(?:eyJ|[fps]k-)")
_ENCODING = re.compile(r"v\d")
_PING = re.compile(rb"\d{4}-\d\d-\d\d[\d :.T+Z-]*")
_DONE = b"[DONE]"
_FIELD = re.compile(rb"(data|event|id|retry)(?:: ?(.*))?", re.DOTALL)
_MASKED = re.compile(rb"[A-Za-z0-9\x80-\xff]")
_BOM = b"\xef\xbb\xbf"
_LARGEST_NUMBER = 1_000_000  # larger ones are times and ids
_INDEX = re.compile("0|[1-9][0-9]*")


def scrub(capture: bytes, key: bytes | None = None) -> bytes:
    """Return a capture as a body of events without its content.

    Args:
        capture: as `service.recordings.captures` reads it.
        key: the key of the pseudonyms; None draws one, which is forgotten.
    """
    scrubbing, body = _Scrub(Cipher(key)), body_of(capture)
    mark = _BOM if body.startswith(_BOM) else b""
    return mark + b"".join(map(scrubbing.block, blocks(body.removeprefix(_BOM))))


class _Scrub:
    """Scrubs the events of one body in order, and follows the documents of its deltas."""

    def __init__(self, cipher: Cipher) -> None:
        self._cipher = cipher
        self._deltas = _Deltas(self)

    def text(self, text: str) -> str:
        return self._cipher.of(text)

    # --- lines ------------------------------------------------------------------

    def block(self, block: bytes) -> bytes:
        lines, data = lines_of(block), _data_in(block)
        whole = b"\n".join(data.values())
        heads = {at: lines[at][0][: len(lines[at][0]) - len(each)] for at, each in data.items()}
        if len(data) > 1 and _decoded(whole) is not MISSING:
            data = {min(data): whole}
        name = _name_in(lines)
        told = []
        for at, (line, end) in enumerate(lines):
            if at in data:
                told.append(heads[at] + self._data(data[at], name) + end)
            elif at not in heads:
                told.append(_line_told(line) + end)
        return b"".join(told)

    def _data(self, data: bytes, name: str) -> bytes:
        value = _decoded(data)
        if value is MISSING:
            bare = data.strip()
            is_kept = not bare or bare == _DONE or _PING.fullmatch(bare)
            return data if is_kept else _masked(data)
        blanks = data[len(data.rstrip()) :]
        return _encoded(self._value(value, name), data) + blanks

    # --- values -----------------------------------------------------------------

    def _value(self, value: Any, name: str) -> Any:
        match value:
            case "v1":
                self._deltas = _Deltas(self)
                return value
            case str() if _ENCODING.fullmatch(value):
                return value
            case dict() if _is_delta(value, name):
                return self._deltas.scrubbed(value)
            case _:
                return self.inner(value, None, None)

    def inner(self, value: Any, key: str | None, outer: str | None) -> Any:
        """Return a JSON value with its content replaced.

        Args:
            value: JSON.
            key: the key that holds it, through lists.
            outer: the key above that one.
        """
        match value:
            case dict():
                return {self.key(name): self.inner(each, name, key) for name, each in value.items()}
            case list():
                return [self.inner(each, key, outer) for each in value]
            case str() if ACTION in value and is_kept(value, key, outer):
                return ACTION.join(
                    map(self.text, value.split(ACTION))
                )  # its second half is a website
            case str():
                return value if is_kept(value, key, outer) else self.text(value)
            case bool() | None:
                return value
            case _:
                return _rounded(value)

    def key(self, key: str) -> str:
        """Return a key unchanged if it is one of the protocol, else its pseudonym."""
        return key if _KEY.fullmatch(key) and not _ID_LIKE.search(key) else self.text(key)


class _Deltas:
    """Scrubs deltas, and keeps the documents that they change."""

    def __init__(self, scrub: _Scrub) -> None:
        self._scrub = scrub
        self._channel: Any = 0
        self._path: Any = ""
        self._operation: Any = "add"
        self._documents: dict[Any, Any] = {}

    def scrubbed(self, delta: dict[str, Any]) -> dict[str, Any]:
        self._channel = delta.get("c", self._channel)
        self._path = delta.get("p", self._path)
        self._operation = delta.get("o", self._operation)
        if not isinstance(self._channel, int) or not isinstance(self._path, str):
            return {key: self._member(key, each, each) for key, each in delta.items()}
        value = delta.get("v", MISSING)
        told = self._applied(self._path, self._operation, value)
        return {key: self._member(key, each, told) for key, each in delta.items()}

    def _member(self, key: str, given: Any, told: Any) -> Any:
        if key == "v":
            return told
        if key == "p" and isinstance(given, str):
            return self._path_told(given)
        return self._scrub.inner(given, key, None)

    def _applied(self, path: str, operation: Any, value: Any) -> Any:
        """Apply an operation to the channel's document; return its value scrubbed."""
        if operation == "patch" and isinstance(value, list):
            return [self._nested(path, each) for each in value]
        document = self._documents.get(self._channel, MISSING)
        keys = [part for part in _parts(path) if not _INDEX.fullmatch(part)]
        key, outer = keys[-1] if keys else None, keys[-2] if len(keys) > 1 else None
        old = _found(document, path) if operation == "append" else MISSING
        if isinstance(old, str) and isinstance(value, str):
            told: Any = self._scrub.text(old + value)[len(old) :]
        else:
            told = self._scrub.inner(value, key, outer) if value is not MISSING else MISSING
        with suppress(UpstreamProtocolError):  # the stages will report it, too
            self._documents[self._channel] = apply(document, path, operation, value)
        return told

    def _nested(self, path: str, nested: Any) -> Any:
        if not isinstance(nested, dict) or not isinstance(nested.get("p", ""), str):
            return self._scrub.inner(nested, None, None)
        inner = nested.get("p", "")
        whole = f"{path}/{inner.removeprefix('/')}" if inner else path
        told = self._applied(whole, nested.get("o"), nested.get("v", MISSING))
        return {key: self._member(key, each, told) for key, each in nested.items()}

    def _path_told(self, path: str) -> str:
        if not path:
            return path
        parts = [
            part if _INDEX.fullmatch(part) else _escaped(self._scrub.key(part))
            for part in _parts(path)
        ]
        return ("/" if path.startswith("/") else "") + "/".join(parts)


def is_kept(value: str, key: str | None, outer: str | None) -> bool:
    """Tell whether a string is a word of the protocol at its place."""
    is_named = key in _KEPT or (key == "name" and outer == "author")
    if key in ("code", "error_code") and outer not in _OUTER:
        return False
    return is_named and _is_word(value)


def _is_word(value: str) -> bool:
    return _WORD.fullmatch(value) is not None and _ID_LIKE.search(value) is None


def _is_delta(value: dict[str, Any], name: str) -> bool:
    """Tell whether an object is a delta, by the rule of `service.stages.decode.parse`."""
    if "message" in value or isinstance(value.get("type"), str):
        return False
    return name == "delta" or "v" in value or "o" in value


def _data_in(block: bytes) -> dict[int, bytes]:
    """Return the data of each line that has some, by line number (as `service.stages.decode.sse`)."""
    found: dict[int, bytes] = {}
    is_json_open = False
    for at, (line, _) in enumerate(lines_of(block)):
        field = _FIELD.fullmatch(line)
        bare = line.lstrip() if at == 0 else line
        if bare.startswith(b"{"):
            is_json_open = not bare.rstrip().endswith(b"}")
            found[at] = bare
        elif field is not None:
            is_json_open = False
            if field[1] == b"data":
                found[at] = field[2] or b""
        elif is_json_open and not line.startswith(b":"):
            found[at] = line
    return found


def _name_in(lines: list[tuple[bytes, bytes]]) -> str:
    name = b""
    for line, _ in lines:
        if (field := _FIELD.fullmatch(line)) and field[1] == b"event":
            name = field[2] or b""
    return name.decode("utf-8", "replace")


def _line_told(line: bytes) -> bytes:
    """Return a line without data, scrubbed: field names stay, and names of known events."""
    field = _FIELD.fullmatch(line)
    value = field[2] if field else line
    if not value:
        return line
    is_word = (
        field is not None and field[1] == b"event" and _is_word(value.decode("utf-8", "replace"))
    )
    is_kept = is_word or (field is not None and field[1] == b"retry" and value.isdigit())
    return line if is_kept else line[: len(line) - len(value)] + _masked(value)


def _masked(line: bytes) -> bytes:
    """Return text that is not JSON with each letter and digit as x."""
    return _MASKED.sub(b"x", line)


def _decoded(data: bytes) -> Any:
    try:
        return json.loads(data.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return MISSING


def _encoded(value: Any, like: bytes) -> bytes:
    """Return JSON in the style of the original: with blanks or without, ASCII or not."""
    separators = (", ", ": ") if b'": ' in like or b", " in like else (",", ":")
    is_ascii = like.isascii() or b"\\ud" in like.lower()
    return json.dumps(value, separators=separators, ensure_ascii=is_ascii).encode()


def _rounded(number: float) -> float:
    if abs(number) < _LARGEST_NUMBER or number != number:  # noqa: PLR0124 - NaN
        return number
    if isinstance(number, int):
        return int("1" + "0" * (len(str(abs(number))) - 1)) * (1 if number > 0 else -1)
    return float(f"{number:.0e}")


def _parts(path: str) -> list[str]:
    raw = path.removeprefix("/").split("/") if path else []
    return [part.replace("~1", "/").replace("~0", "~") for part in raw]


def _escaped(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")


def _found(document: Any, path: str) -> Any:
    """Return the value at a path of the document, or MISSING."""
    for part in _parts(path):
        if isinstance(document, dict):
            document = document.get(part, MISSING)
        elif isinstance(document, list) and _INDEX.fullmatch(part) and int(part) < len(document):
            document = document[int(part)]
        else:
            return MISSING
    return document
