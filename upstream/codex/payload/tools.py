"""The tools of a request as Codex's back end takes them (codex 2.3).

They go in the order in which they were sent, and byte for byte alike in each turn: the prompt cache
lives on it. Only a name that is too long is another one, which answers are mapped back from.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from msgspec import Struct

from service.vocabulary.errors import RequestError

MAX_NAME_CHARS = 64
_HASH_CHARS = 8
_NATIVE = frozenset(
    {"function", "custom", "namespace", "image_generation", "tool_search", "local_shell"}
)
_SEARCH = "web_search"  # and its dated and preview names
_NAMED = ("function", "custom")
JsonObject = dict[str, Any]


class Tools(Struct, frozen=True):
    """What a turn sends of tools; `names` has the callers' names by those that are sent instead."""

    tools: list[JsonObject]
    choice: str | JsonObject | None
    names: dict[str, str]


def native_tools(tools: Sequence[JsonObject], choice: str | JsonObject | None) -> Tools:
    """Return the tools, and the choice among them.

    Raises:
        RequestError: the back end has no tools of this kind.
    """
    names: dict[str, str] = {}
    return Tools(
        [_tool(tool, f"tools[{at}]", names) for at, tool in enumerate(tools)],
        _choice(choice, names) if isinstance(choice, dict) else choice,
        names,
    )


def short_name(name: str) -> str:
    """Return a name that is not too long: its beginning, and a hash of all of it."""
    if len(name) <= MAX_NAME_CHARS:
        return name
    digest = sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_CHARS]
    return f"{name[: MAX_NAME_CHARS - _HASH_CHARS - 1]}_{digest}"


def _tool(tool: JsonObject, path: str, names: dict[str, str]) -> JsonObject:
    kind = tool.get("type")
    if isinstance(kind, str) and kind.startswith(_SEARCH):
        return {**tool, "type": _SEARCH}
    if kind not in _NATIVE:
        known = ", ".join(f"'{name}'" for name in sorted({*_NATIVE, _SEARCH}))
        message = f"{path}.type: a Codex account has no tools of this kind; use {known}."
        raise RequestError(message, code="unsupported_parameter", param=f"{path}.type")
    if kind == "namespace":
        inner = tool.get("tools")
        listed = inner if isinstance(inner, list) else []
        named = [_renamed(one, names) if isinstance(one, dict) else one for one in listed]
        return {**tool, "tools": named}
    return _renamed(tool, names)


def _renamed(tool: JsonObject, names: dict[str, str]) -> JsonObject:
    name = tool.get("name")
    if not isinstance(name, str) or len(name) <= MAX_NAME_CHARS:
        return tool
    short = short_name(name)
    names[short] = name
    return {**tool, "name": short}


def _choice(choice: JsonObject, names: Mapping[str, str]) -> JsonObject:
    kind, tools, name = choice.get("type"), choice.get("tools"), choice.get("name")
    if isinstance(kind, str) and kind.startswith(_SEARCH):
        return {**choice, "type": _SEARCH}
    if isinstance(tools, list):
        inner = [_choice(one, names) if isinstance(one, dict) else one for one in tools]
        return {**choice, "tools": inner}
    if kind in _NAMED and isinstance(name, str):
        return {**choice, "name": short_name(name)}
    return choice
