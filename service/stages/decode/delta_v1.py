"""Delta -> document: the "v1" delta encoding (protocol 3.3 to 3.5).

    {"p": "/message/content/parts/0", "o": "append", "v": "Hel"}     then only:  {"v": "lo"}

Documents are never changed in place: an operation copies the containers on its path, so that a
document returned before stays as it was. For speed, text that is appended to the end of a message
(`parts/0` nearly always, the source of a `code`, the last of its `thoughts`) is gathered, and joined
only when the document is read. The result is the same.
"""

import re
from typing import Any, Final

import orjson

from service.stages.decode.changes import DocumentChanged, Growth
from service.vocabulary.errors import UpstreamProtocolError
from service.vocabulary.events import TextAppended
from service.vocabulary.text import Pieces, lengthened, truncate_utf16

ANSWER_PATH = "/message/content/parts/0"
CODE_PATH = "/message/content/text"
_GROWING = (CODE_PATH, "/message/content/thoughts/")
_THOUGHT_PATH = re.compile("/message/content/thoughts/(0|[1-9][0-9]{0,5})/content")
# Real paths have up to seven segments; a deeper one is an attack on what walks the document.
MAX_SEGMENTS = 64
MAX_PATCH_DEPTH = 16  # likewise; real patches are not nested at all
_MAX_DIGITS = 18  # of an index; Python refuses to read numbers of thousands of digits
_CONTAINERS = (dict, list)  # a union made at each look costs as much as the look
_OPERATIONS = frozenset({"add", "replace", "remove", "append", "truncate", "patch"})


class _Missing:
    """The value `undefined`: absent, unlike null."""


MISSING: Final = _Missing()


class DecodeDelta:
    """Applies deltas to the documents of one stream; one instance per encoding header."""

    def __init__(self) -> None:
        self._channel: Any = 0  # as they were sent, of any type
        self._path: Any = ""
        self._operation: Any = "add"
        self._documents: dict[int, Any] = {}
        self._growths: dict[int, Growth] = {}  # by channel, where text is being appended

    def feed(self, delta: dict[str, Any]) -> DocumentChanged | TextAppended:
        """Apply one top-level delta and return the change.

        It is text if text was appended to the end of a message, and nothing else has changed.

        Raises:
            UpstreamProtocolError: the operation is unknown or cannot be applied;
                the document stays as it was.
        """
        self._inherit(delta)
        value = delta.get("v", MISSING)
        if self._operation == "append" and type(value) is str:
            growth = self._growths.get(self._channel)
            if growth is None or growth.path != self._path:
                growth = self._begin_growth()
            if growth is not None:
                growth.pieces.add(value)
                return TextAppended(growth.message_id, value)
        document = self._settled()
        document = apply(document, self._path, self._operation, value)
        self._documents[self._channel] = document
        return DocumentChanged(document)

    @property
    def growing(self) -> str | None:
        """The id of the message to whose text a delta of bare text is appended."""
        if self._operation != "append" or self._path != ANSWER_PATH:
            return None
        growth = self._growth()
        return growth.message_id if growth is not None and growth.path == ANSWER_PATH else None

    def grow(self, text: str) -> TextAppended:
        """Apply the joined text of bare-text deltas, while a message is `growing`."""
        growth = self._growths[self._channel]
        growth.pieces.add(text)
        return TextAppended(growth.message_id, text)

    def share(self, text: str) -> None:
        """Keep the text of one read as the same string object that later stages keep."""
        if (growth := self._growth()) is not None:
            growth.pieces.share(text)

    def _growth(self) -> Growth | None:
        """Return the text being appended in the current channel, which may be no channel at all."""
        return self._growths.get(self._channel) if type(self._channel) is int else None

    def _inherit(self, delta: dict[str, Any]) -> None:
        """Take `c`, `p` and `o` from a delta; each keeps its value when absent.

        An invalid value is kept as well, until another comes: the next delta must not be applied to
        an older place.
        """
        if "c" in delta:
            self._channel = delta["c"]
        if "p" in delta:
            self._path = delta["p"]
        if "o" in delta:
            self._operation = delta["o"]
        if type(self._channel) is not int:
            raise UpstreamProtocolError("a delta's channel is not a number")
        if type(self._path) is not str:
            raise UpstreamProtocolError("a delta's path is not a string")
        if type(self._operation) is not str or self._operation not in _OPERATIONS:
            raise UpstreamProtocolError("a delta's operation is not known")

    def _begin_growth(self) -> Growth | None:
        """Begin to gather text if the channel's place is the end of a message."""
        if self._path != ANSWER_PATH and not self._path.startswith(_GROWING):
            return None
        message_id = _grown_message(self._settled(), self._path)
        if message_id is None:
            return None
        growth = self._growths[self._channel] = Growth(self._path, message_id, Pieces())
        return growth

    def _settled(self) -> Any:
        """Return the channel's document with all gathered text joined."""
        document = self._documents.get(self._channel, MISSING)
        if (growth := self._growths.pop(self._channel, None)) is not None:
            document = apply(document, growth.path, "append", growth.pieces.joined())
            self._documents[self._channel] = document
        return document


def _grown_message(document: Any, path: str) -> str | None:
    """Return the id of the message whose text ends at this path, None for another path."""
    message = document.get("message") if isinstance(document, dict) else None
    if not isinstance(message, dict):
        return None
    message_id, content = message.get("id"), message.get("content")
    if not isinstance(message_id, str) or not isinstance(content, dict):
        return None
    if path == ANSWER_PATH:
        parts = content.get("parts")
        is_grown = isinstance(parts, list) and len(parts) == 1 and isinstance(parts[0], str)
        return message_id if is_grown else None
    match content:
        case {"content_type": "code", "text": str()} if path == CODE_PATH:
            return message_id
        case {"content_type": "thoughts", "thoughts": [*_, {"content": str(text)}]} if text:
            thought = _THOUGHT_PATH.fullmatch(path)
            is_last = thought is not None and int(thought[1]) == len(content["thoughts"]) - 1
            return message_id if is_last else None
        case _:
            return None


def unknown_operation(delta: dict[str, Any]) -> str | None:
    """Return the name of an unknown operation in a delta or its patch, if there is one."""
    value = delta.get("v")
    nested = value if isinstance(value, list) else ()
    names = [each.get("o") for each in (delta, *nested) if isinstance(each, dict)]
    return next((n for n in names if isinstance(n, str) and n not in _OPERATIONS), None)


def apply(root: Any, path: str, operation: str, value: Any, depth: int = 0) -> Any:
    """Return `root` after one operation (protocol 3.4, APPLY), never changing it.

    `depth` counts the patches around this operation.

    Raises:
        UpstreamProtocolError: it cannot be applied.
    """
    if not path:
        return _at_root(root, operation, value, depth)
    segments = _segments(path)
    key = segments[0]
    root = container = _copied(root, key)
    for following in segments[1:]:
        if isinstance(container, dict):
            old = container.get(key, MISSING)
            inner = container[key] = _copied(old, following)
        else:
            inner = _copied_element(container, key, following)
        container, key = inner, following
    _change(container, key, operation, value, depth)
    return root


def _segments(path: str) -> list[str]:
    segments = path.removeprefix("/").split("/")
    if len(segments) > MAX_SEGMENTS:
        raise UpstreamProtocolError("a delta's path is too deep")
    if "~" in path:
        return [part.replace("~1", "/").replace("~0", "~") for part in segments]
    return segments


def _at_root(root: Any, operation: str, value: Any, depth: int) -> Any:
    match operation:
        case "add" | "replace":
            return value
        case "append":
            return merge(root, value)
        case "remove":
            return MISSING
        case "truncate":
            return _truncate(root, value)
        case _:
            return _patch(root, value, depth + 1)


def _patch(root: Any, operations: Any, depth: int) -> Any:
    if not isinstance(operations, list):
        raise UpstreamProtocolError("a patch is not a list")
    if depth > MAX_PATCH_DEPTH:
        raise UpstreamProtocolError("a delta's patches are nested too deeply")
    for nested in operations:
        operation = nested.get("o") if isinstance(nested, dict) else None
        if not isinstance(operation, str) or operation not in _OPERATIONS:
            raise UpstreamProtocolError("a nested operation is not known")
        path = nested.get("p", "")
        if not isinstance(path, str):
            raise UpstreamProtocolError("a nested path is not a string")
        root = apply(root, path, operation, nested.get("v", MISSING), depth)
    return root


def _copied(container: Any, key: str) -> Any:
    """Return a copy of a container, or an empty one that can hold an element of this key."""
    if isinstance(container, _CONTAINERS):
        return container.copy()
    if container is MISSING or container is None:
        return {} if _number(key) is None else []
    raise UpstreamProtocolError("a delta's path leads through a value that holds nothing")


def _copied_element(container: list[Any], key: str, following: str) -> Any:
    """Put a copy in the place of an element, which may be a new one, and return the copy."""
    index = _index(container, key, limit=1)
    if index == len(container):
        container.append(MISSING)
    inner = container[index] = _copied(container[index], following)
    return inner


def _number(key: str) -> int | None:
    """Return the index that a segment is, None for a word."""
    is_index = key.isdecimal() and key.isascii() and len(key) <= _MAX_DIGITS
    return int(key) if is_index and (key[0] != "0" or key == "0") else None


def _index(container: list[Any], key: str, limit: int) -> int:
    """Return `key` as an index below the length of the list plus `limit`."""
    index = _number(key)
    if index is None:
        raise UpstreamProtocolError("a delta's path names an element of a list by a word")
    if index >= len(container) + limit:
        raise UpstreamProtocolError("a delta's path names an element beyond the end of a list")
    return index


def _change(container: Any, key: str, operation: str, value: Any, depth: int) -> None:
    """Apply an operation to an element of a container, which is a copy."""
    if isinstance(container, dict):
        old = container.get(key, MISSING)
        if operation != "remove":
            container[key] = _present(_at_root(old, operation, value, depth))
        elif old is not MISSING:
            del container[key]
        return
    index = _index(container, key, limit=0 if operation in ("remove", "truncate") else 1)
    if operation == "remove":
        del container[index]
        return
    is_new = index == len(container)
    old = MISSING if is_new else container[index]
    made = _present(_at_root(old, operation, value, depth))
    if is_new or operation == "add":
        container.insert(index, made)
    else:
        container[index] = made


def _present(value: Any) -> Any:
    return None if value is MISSING else value


def merge(old: Any, value: Any) -> Any:
    """Return `old` with `value` appended (protocol 3.4, MERGE)."""
    if old is MISSING or old is None:
        return _present(value)
    if isinstance(old, str):
        return lengthened(old, _as_text(value))
    if isinstance(old, list):
        return [*old, *value] if isinstance(value, list) else [*old, _present(value)]
    if isinstance(old, dict) and isinstance(value, dict):
        return {**old, **value}
    return _present(value)


def _as_text(value: Any) -> str:
    """Return a value as text to append: scalars as JSON writes them."""
    if isinstance(value, str):
        return value
    if isinstance(value, list | dict):
        raise UpstreamProtocolError("a delta appends a container to a text")
    if type(value) is int:
        return str(value)  # orjson cannot write integers over 64 bits
    return "" if value is MISSING else orjson.dumps(value).decode()


def _truncate(old: Any, units: Any) -> Any:
    if type(units) is not int or units < 0:
        raise UpstreamProtocolError("a truncation is not a length")
    if isinstance(old, str):
        return truncate_utf16(old, units)
    if isinstance(old, list):
        return old[:units]
    return old
