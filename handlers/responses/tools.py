"""Reads `tools` of a response, and those of items of its input, into functions (spec 18).

Functions stand by themselves or in a namespace, and a custom tool takes one text in a grammar of
its own. Upstreams that know neither get plain functions: namespace and name joined by two
underscores, and a custom tool as a function of one argument with its grammar described in words:

    {"type": "namespace", "name": "mcp", "tools": [{"type": "function", "name": "list"}]}  mcp__list
    {"type": "custom", "name": "apply_patch"}                  apply_patch, {"input": "*** Begin …"}

A search for tools that the caller runs is a function as well; what it found are functions from then on:

    {"type": "tool_search", "execution": "client", "parameters": …}        tool_search

The model's own tools are accepted; it decides itself when to use them.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct, structs

from handlers.reading.demand_fields import NAME, function
from handlers.reading.json_body import converted, quoted, refusal
from service.demands.instructions import joined_name
from service.vocabulary.requests import CUSTOM_INPUT, TOOL_SEARCH, Function

ADDITIONAL_TOOLS = "additional_tools"
FOUND_TOOLS = "tool_search_output"
_BUILT_IN = ("web_search", "code_interpreter", "image_generation")  # and their dated names
_INPUT_SCHEMA = {
    "type": "object",
    "properties": {CUSTOM_INPUT: {"type": "string"}},
    "required": [CUSTOM_INPUT],
    "additionalProperties": False,
}


class _FunctionTool(Struct, frozen=True):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class _Grammar(Struct, frozen=True):
    type: str = "text"
    syntax: str = ""
    definition: str = ""


class _CustomTool(Struct, frozen=True):
    name: str
    description: str | None = None
    format: _Grammar | None = None


class _ToolSearch(Struct, frozen=True):
    description: str | None = None
    parameters: dict[str, Any] | None = None


class _Namespace(Struct, frozen=True):
    name: str
    tools: list[dict[str, Any]]
    description: str | None = None


def all_tools(
    tools: Sequence[dict[str, Any]] | None, items: Sequence[Mapping[str, Any]]
) -> list[tuple[str, dict[str, Any]]]:
    """Return the tools of a request and those of its input, each with its path.

    Raises:
        RequestError: an item of the input has none.
    """
    found = [(f"tools[{at}]", tool) for at, tool in enumerate(tools or ())]
    for at, item in enumerate(items):
        if item.get("type") in (ADDITIONAL_TOOLS, FOUND_TOOLS):
            path = f"input[{at}].tools"
            added = converted(item.get("tools"), list[dict[str, Any]], path)
            found += [(f"{path}[{index}]", tool) for index, tool in enumerate(added)]
    return found


def functions_of(
    tools: Sequence[tuple[str, dict[str, Any]]], *, is_limited: bool
) -> list[Function]:
    """Return the functions among the tools, without the model's own tools.

    One that the input adds again, since it was found again, is the one that is known.

    Args:
        tools: each with its path.
        is_limited: whether those that the website has not are refused.

    Raises:
        RequestError: a tool is wrong, or not supported.
    """
    functions: list[Function] = []
    names: set[str] = set()
    for path, tool in tools:
        for made in _functions(tool, path, is_limited=is_limited):
            if made.name not in names or not path.startswith("input["):
                functions.append(made)
            names.add(made.name)
    return functions


def echoed_tool(tool: dict[str, Any]) -> dict[str, Any]:
    """Return a tool as the response object repeats it: a function with all its keys."""
    if tool.get("type") != "function":
        return tool
    return {"description": None, "parameters": None, "strict": None, **tool}


def is_built_in(kind: str) -> bool:
    """Tell whether a kind of tool is one of the model's own."""
    return kind.startswith(_BUILT_IN)


def _functions(tool: dict[str, Any], path: str, *, is_limited: bool) -> Iterator[Function]:
    match tool.get("type"):
        case "function" | "custom":
            yield _function(tool, path)
        case "namespace":
            yield from _of_namespace(converted(tool, _Namespace, path), path)
        case "tool_search" if is_limited and tool.get("execution") == "client":
            search = converted(tool, _ToolSearch, path)
            made = function(TOOL_SEARCH, search.parameters, search.description, path)
            yield structs.replace(made, is_search=True)
        case str(kind):
            if is_limited and not is_built_in(kind):
                kinds = ("function", "custom", "namespace", *_BUILT_IN)
                names = ", ".join(f"'{name}'" for name in kinds)
                problem = f"tools of kind {quoted(kind)} are not supported; use {names}"
                raise refusal(f"{path}.type", problem, "unsupported_parameter")
        case _:
            raise refusal(f"{path}.type", "expected a string")


def _function(tool: dict[str, Any], path: str) -> Function:
    if tool["type"] == "function":
        sent = converted(tool, _FunctionTool, path)
        is_strict = bool(sent.strict)
        return function(sent.name, sent.parameters, sent.description, path, is_strict=is_strict)
    custom = converted(tool, _CustomTool, path)
    words = "\n".join(part for part in (custom.description, _told(custom.format)) if part)
    made = function(custom.name, _INPUT_SCHEMA, words, path)
    return structs.replace(made, is_custom=True)


def _told(grammar: _Grammar | None) -> str:
    """Return the description of a custom tool's input format, for the model."""
    if grammar is None or grammar.type != "grammar":
        return f'"{CUSTOM_INPUT}" is plain text.'
    kind = "regular expression" if grammar.syntax == "regex" else f"{grammar.syntax} grammar"
    return f'"{CUSTOM_INPUT}" is text that fits this {kind}:\n{grammar.definition}'


def _of_namespace(namespace: _Namespace, path: str) -> Iterator[Function]:
    if not NAME.fullmatch(namespace.name):
        problem = "expected 1 to 128 letters, digits, '_' and '-'"
        raise refusal(f"{path}.name", f"{quoted(namespace.name)} is no namespace; {problem}")
    about = namespace.description or ""
    for at, tool in enumerate(namespace.tools):
        where = f"{path}.tools[{at}]"
        if tool.get("type") not in ("function", "custom"):
            raise refusal(
                f"{where}.type", "a namespace holds tools of kind 'function' and 'custom'"
            )
        made = _function(tool, where)
        yield structs.replace(
            made,
            name=joined_name(made.name, namespace.name),
            own_name=made.name,
            namespace=namespace.name,
            # What applies to all of them is said with the first.
            description="\n".join(part for part in (about, made.description) if part),
        )
        about = ""
