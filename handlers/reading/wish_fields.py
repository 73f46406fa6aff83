"""Reads a chat completion's wishes to the model besides text into `Wishes` (codex 6).

{"type": "function", "function": {"name": "f", …}}   {"type": "function", "name": "f", …}
"reasoning_effort": "high"                            effort "high", summary "auto"
"web_search_options": {…}                             {"type": "web_search", …}
"""

from typing import Any

from msgspec import Struct, structs

from handlers.reading.demand_fields import (
    DRAWING,
    WireChoice,
    WireDemand,
    WireFormat,
    WireFunction,
    WireTool,
    allowed_name,
)
from handlers.reading.json_body import quoted, refusal
from service.vocabulary.requests import Wishes

# Levels that some model knows; only clients know `ultra` (codex 2.3).
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max", "ultra")
MUCH_EFFORT = frozenset({"high", "xhigh", "max", "ultra"})
_NO_ARGUMENTS: dict[str, Any] = {"type": "object", "properties": {}}


class SearchOptions(Struct, frozen=True):
    """`web_search_options`."""

    search_context_size: str | None = None
    user_location: dict[str, Any] | None = None


class WireWishes(WireDemand, frozen=True, kw_only=True):
    """The fields of a chat completion with wishes to the model; other records inherit them."""

    reasoning_effort: str | None = None
    verbosity: str | None = None
    service_tier: str | None = None
    prompt_cache_key: str | None = None
    web_search_options: SearchOptions | None = None


def effort_word(word: str | None, path: str) -> str:
    """Return the level of effort, empty if none was sent.

    Raises:
        RequestError: no model knows this level.
    """
    if word is not None and word not in EFFORTS:
        choices = ", ".join(f"'{known}'" for known in EFFORTS)
        raise refusal(path, f"{quoted(word)} is no word of effort; use one of {choices}")
    return word or ""


def is_much(effort: str) -> bool:
    """Tell whether so much effort is more than the website takes by itself (spec 6.6)."""
    return effort in MUCH_EFFORT


def wishes_of(fields: WireWishes) -> Wishes:
    """Return the wishes of a chat completion.

    Raises:
        RequestError: no model knows a level that was sent.
    """
    is_legacy = bool(fields.functions) and not fields.tools
    functions = [tool for sent in fields.tools or () if (tool := _tool(sent)) is not None]
    if is_legacy:
        functions = [_function(each) for each in fields.functions or ()]
    searches = [] if fields.web_search_options is None else [_search(fields.web_search_options)]
    return Wishes(
        tools=(*functions, *searches),
        tool_choice=_legacy_choice(fields) if is_legacy else _choice(fields.tool_choice),
        is_parallel=False if is_legacy else fields.parallel_tool_calls,
        format=_format(fields.response_format),
        verbosity=fields.verbosity or "",
        effort=effort_word(fields.reasoning_effort, "reasoning_effort"),
        summary="auto",
        service_tier=fields.service_tier or "",
        cache_key=fields.prompt_cache_key or "",
        wants_search=bool(searches),
        wants_picture=isinstance(fields.tool_choice, WireChoice)
        and fields.tool_choice.type == DRAWING,
    )


def _tool(sent: WireTool) -> dict[str, Any] | None:
    """Return a tool in the flat form, None for a kind that is refused elsewhere."""
    if sent.function is not None:
        return _function(sent.function)
    if sent.type != DRAWING:
        return None
    return {name: value for name, value in structs.asdict(sent).items() if value is not None}


def _function(sent: WireFunction) -> dict[str, Any]:
    """Return a function in the flat form; unless `strict` is set it is not strict."""
    parameters = _NO_ARGUMENTS if sent.parameters is None else sent.parameters
    described = {} if sent.description is None else {"description": sent.description}
    return {
        "type": "function",
        "name": sent.name,
        **described,
        "parameters": parameters,
        "strict": bool(sent.strict),
    }


def _search(options: SearchOptions) -> dict[str, Any]:
    tool: dict[str, Any] = {"type": "web_search"}
    if options.search_context_size:
        tool["search_context_size"] = options.search_context_size
    if (where := options.user_location) is not None:
        nested = where.get("approximate")
        place = nested if isinstance(nested, dict) else where
        tool["user_location"] = {**place, "type": "approximate"}
    return tool


def _choice(choice: str | WireChoice | None) -> str | dict[str, Any] | None:
    if choice is None or isinstance(choice, str):
        return choice
    if choice.function is not None:
        return {"type": "function", "name": choice.function.name}
    if choice.type == DRAWING:
        return {"type": DRAWING}
    if choice.allowed_tools is None:
        return None
    names = [allowed_name(tool, at) for at, tool in enumerate(choice.allowed_tools.tools)]
    return {
        "type": "allowed_tools",
        "mode": choice.allowed_tools.mode,
        "tools": [{"type": "function", "name": name} for name in names],
    }


def _legacy_choice(fields: WireDemand) -> str | dict[str, Any] | None:
    choice = fields.function_call
    if choice is None or isinstance(choice, str):
        return choice
    return {"type": "function", "name": choice.name}


def _format(wanted: WireFormat | None) -> dict[str, Any] | None:
    if wanted is None or wanted.type == "text":
        return None
    sent = wanted.json_schema
    if sent is None:
        return {"type": wanted.type}
    named: dict[str, Any] = {"type": "json_schema", "name": sent.name or "answer"}
    if sent.description is not None:
        named["description"] = sent.description
    return {**named, "schema": sent.schema, "strict": bool(sent.strict)}
