"""The definition of delta encoding v1: protocol 3.3 to 3.5, written plainly and slowly.

Every event copies its whole document, so that no snapshot can share state with another.
"""

import itertools
import re
from typing import Any

OPERATIONS = ("add", "replace", "remove", "append", "truncate", "patch")


class DeltaError(Exception):
    """The delta is a protocol error by section 3.4 or 3.5."""


class UndefinedError(Exception):
    """The protocol does not say what this delta does; nothing may be concluded from it."""


class Missing:
    """The value that is not there; `MISSING` is its only instance."""

    def __deepcopy__(self, memo: dict[int, Any]) -> "Missing":
        return self


MISSING = Missing()


def copied(value: Any) -> Any:
    """Return a copy of a JSON value or `MISSING`, much sooner than `copy.deepcopy` does."""
    if isinstance(value, dict):
        return {key: copied(each) for key, each in value.items()}
    return [copied(each) for each in value] if isinstance(value, list) else value


class Definition:
    """The state machine of section 3.4."""

    def __init__(self) -> None:
        self.sticky: dict[str, Any] = {"c": 0, "p": "", "o": "add"}
        self.documents: dict[Any, Any] = {}

    def apply(self, delta: dict[str, Any]) -> Any:
        """Return the document that the delta addresses, as it is after it."""
        for key in ("c", "p", "o"):
            if key in delta:
                self.sticky[key] = delta[key]
        if isinstance(self.sticky["c"], bool) or not isinstance(self.sticky["c"], int | float):
            raise DeltaError("c")
        if not isinstance(self.sticky["p"], str) or self.sticky["o"] not in OPERATIONS:
            raise DeltaError("p or o")
        channel = self.sticky["c"]
        before = copied(self.documents.get(channel, MISSING))
        after = operate(before, self.sticky["p"], self.sticky["o"], delta.get("v", MISSING))
        self.documents[channel] = after
        return copied(after)


def segments(path: str) -> list[str | int]:
    """Split a path by section 3.5."""
    if path == "":
        return []
    parts = path.removeprefix("/").split("/")
    return [
        int(part)
        if re.fullmatch(r"0|[1-9][0-9]*", part)
        else part.replace("~1", "/").replace("~0", "~")
        for part in parts
    ]


def operate(root: Any, path: str, operation: str, value: Any) -> Any:
    """APPLY of section 3.4, on values that the caller has copied."""
    value = copied(value)
    if operation not in OPERATIONS:
        raise DeltaError(operation)
    way = segments(path)
    if not way:
        return on_value(root, operation, value)
    if root is MISSING and operation in ("remove", "truncate"):
        raise UndefinedError("taking something out of nothing")
    if root is MISSING:
        root = [] if isinstance(way[0], int) else {}
    parent = root
    for here, following in itertools.pairwise(way):
        child = read(parent, here)
        if child is MISSING:
            if operation in ("remove", "truncate"):
                raise UndefinedError("making containers to take something out of them")
            child = [] if isinstance(following, int) else {}
            write(parent, here, child)
        parent = child
    on_child(parent, way[-1], operation, value)
    return root


def on_child(parent: Any, key: str | int, operation: str, value: Any) -> None:
    """One row of the table of section 3.4."""
    old = read(parent, key)
    if operation in ("add", "replace") and value is MISSING:
        raise UndefinedError("a set without a value")
    if operation == "remove":
        if old is not MISSING:
            del parent[key if isinstance(parent, list) else str(key)]
    elif operation == "add" and isinstance(parent, list):
        parent.insert(int(key), value)
    else:
        write(parent, key, on_value(old, operation, value))


def on_value(old: Any, operation: str, value: Any) -> Any:
    """What an operation makes of one value."""
    if operation == "append":
        return merge(old, value)
    if operation == "truncate":
        return truncate(old, value)
    if operation == "patch":
        return patch(old, value)
    if operation == "remove":
        return MISSING
    if value is MISSING:
        raise UndefinedError("a set without a value")
    return value


def patch(old: Any, operations: Any) -> Any:
    """A list of operations relative to this value."""
    if not isinstance(operations, list):
        raise DeltaError("the value of a patch")
    for each in operations:
        if not isinstance(each, dict) or "o" not in each:
            raise DeltaError("a nested operation")
        nested = each.get("p", "")
        if not isinstance(nested, str):
            raise DeltaError("a nested path")
        old = operate(old, nested, each["o"], each.get("v", MISSING))
    return old


def merge(old: Any, value: Any) -> Any:
    """MERGE of section 3.4."""
    if value is MISSING:
        raise UndefinedError("an append without a value")
    if old is MISSING or old is None:
        return value
    if isinstance(old, str):
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise UndefinedError("how such a value turns into text")
        return whole(f"{old}{value}")
    if isinstance(old, list):
        return [*old, *value] if isinstance(value, list) else [*old, value]
    if isinstance(old, dict) and isinstance(value, dict):
        return {**old, **value}
    return value


def truncate(old: Any, count: Any) -> Any:
    """TRUNC of section 3.4."""
    if isinstance(count, bool) or not isinstance(count, int | float):
        raise DeltaError("the value of truncate")
    if not isinstance(count, int) or count < 0:
        raise UndefinedError("a strange count")
    if isinstance(old, str):
        units = old.encode("utf-16-le", "surrogatepass")[: 2 * count]
        return units.decode("utf-16-le", "surrogatepass")
    if isinstance(old, list):
        return old[:count]
    return old


def read(parent: Any, key: str | int) -> Any:
    """Return a child, or `MISSING`."""
    if isinstance(parent, dict):
        return parent.get(str(key), MISSING)
    if isinstance(parent, list):
        if not isinstance(key, int):
            raise DeltaError("a name against an array")
        if key > len(parent):
            raise UndefinedError("a hole in an array")
        return parent[key] if key < len(parent) else MISSING
    if parent is None:
        raise UndefinedError("walking through null")
    raise DeltaError("walking through a scalar")


def write(parent: Any, key: str | int, value: Any) -> None:
    """Set a child that `read` has found to be possible."""
    if value is MISSING:
        raise UndefinedError("storing nothing")
    if isinstance(parent, list) and key == len(parent):
        parent.append(value)
    elif isinstance(parent, list):
        parent[int(key)] = value
    else:
        parent[str(key)] = value


def whole(text: str) -> str:
    """Return the text with surrogate halves that stand together joined, as UTF-16 has it."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
