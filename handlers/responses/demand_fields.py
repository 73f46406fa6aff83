"""The fields of a response that demand calls or JSON -> a `service.vocabulary.requests.Demand` (openai-wire 8).

They are those of chat completions in flatter forms. Tools that the model has of its own
are accepted: it uses them as it sees fit.
"""

from typing import Any

from msgspec import Struct

from handlers.reading.demand_fields import Choice, function, offered_functions
from handlers.reading.json_body import converted, quoted, refusal
from service.vocabulary.requests import Demand, Function, JsonFormat

_BUILT_IN = ("web_search", "code_interpreter", "image_generation")  # and their dated names


class _FunctionTool(Struct, frozen=True):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None


class _Format(Struct, frozen=True):
    type: str
    name: str = ""
    description: str | None = None
    schema: dict[str, Any] | None = None


class _TextOptions(Struct, frozen=True):
    format: _Format | None = None
    verbosity: str | None = None


class WireDemand(Struct, frozen=True, kw_only=True):
    """The fields of a response that demand something; others inherit from it."""

    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    text: dict[str, Any] | None = None


def demand_of(fields: WireDemand) -> Demand | None:
    """Return what a response demands, or None.

    Raises:
        RequestError: a field is wrong, or asks for what cannot be had.
    """
    json_format = _json_format(fields.text)
    functions = [
        made
        for at, tool in enumerate(fields.tools or ())
        if (made := _function(tool, f"tools[{at}]", is_offered=fields.tool_choice != "none"))
    ]
    choice = _choice(fields.tool_choice)
    if fields.tools and not functions:
        choice = Choice(may_call=choice.may_call)  # of what the model has of its own
    offered = offered_functions(functions, choice, "tool_choice")
    if not offered and json_format is None:
        return None
    return Demand(
        functions=offered,
        must_call=choice.must_call and bool(offered),
        is_parallel=fields.parallel_tool_calls is not False,
        json_format=json_format,
    )


def echoed_tool(tool: dict[str, Any]) -> dict[str, Any]:
    """Return a tool as the response object repeats it: a function with all its keys."""
    if tool.get("type") != "function":
        return tool
    return {"description": None, "parameters": None, "strict": None, **tool}


def echoed_text(text: dict[str, Any]) -> dict[str, Any]:
    """Return `text` as the response object repeats it: a schema with all its keys."""
    wanted = text.get("format") or {"type": "text"}
    if wanted.get("type") == "json_schema":
        wanted = {"description": None, "strict": False, **wanted}
    return {**text, "format": wanted}


def _function(tool: dict[str, Any], path: str, *, is_offered: bool) -> Function | None:
    """Return a function that is offered, None for a tool that the model has of its own."""
    kind = tool.get("type")
    if not isinstance(kind, str):
        raise refusal(f"{path}.type", "expected a string")
    if kind == "function":
        sent = converted(tool, _FunctionTool, path)
        return function(sent.name, sent.parameters, sent.description, path)
    if is_offered and not kind.startswith(_BUILT_IN):
        names = ", ".join(f"'{name}'" for name in ("function", *_BUILT_IN))
        problem = f"tools of kind {quoted(kind)} are not supported; use {names}"
        raise refusal(f"{path}.type", problem, "unsupported_parameter")
    return None


def _choice(choice: str | dict[str, Any] | None) -> Choice:
    match choice:
        case None | "auto" | "none" | "required":
            return Choice(may_call=choice != "none", must_call=choice == "required")
        case {"type": "function", "name": str(name)}:
            return Choice(must_call=True, only=(name,))
        case {"type": "allowed_tools", "tools": list(tools), **others}:
            named = [tool["name"] for tool in tools if _is_function(tool)]
            if not named:
                return Choice(may_call=False)  # only what the model has of its own
            must_call = others.get("mode") == "required"
            return Choice(must_call=must_call, only=tuple(named))
        case {"type": str(kind)} if kind.startswith(_BUILT_IN):
            return Choice()
        case _:
            forms = "'none', 'auto', 'required' or {'type': 'function', 'name': …}"
            raise refusal("tool_choice", f"expected {forms}")


def _is_function(tool: Any) -> bool:
    match tool:
        case {"type": "function", "name": str()}:
            return True
        case _:
            return False


def _json_format(text: dict[str, Any] | None) -> JsonFormat | None:
    wanted = converted(text or {}, _TextOptions, "text").format
    match wanted:
        case None | _Format(type="text"):
            return None
        case _Format(type="json_object"):
            return JsonFormat("text.format")
        case _Format(type="json_schema", schema=dict(schema)):
            path = "text.format.schema"
            return JsonFormat(path, schema, wanted.name, wanted.description or "")
        case _Format(type="json_schema"):
            raise refusal("text.format.schema", "this field is required")
        case _Format(kind):
            problem = f"{quoted(kind)} is no format; use 'text', 'json_object' or 'json_schema'"
            raise refusal("text.format.type", problem)
