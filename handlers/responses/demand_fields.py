"""Reads the fields of a response that demand calls or JSON into a `Demand` (openai-wire 8).

They are those of chat completions in flatter forms.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from handlers.reading.demand_fields import Choice, offered_functions
from handlers.reading.json_body import converted, quoted, refusal
from handlers.responses.tools import all_tools, functions_of, is_built_in
from service.demands.instructions import joined_name
from service.vocabulary.requests import Demand, JsonFormat


class _Format(Struct, frozen=True):
    type: str
    name: str = ""
    description: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None


class TextOptions(Struct, frozen=True):
    """`text`."""

    format: _Format | None = None
    verbosity: str | None = None


class WireDemand(Struct, frozen=True, kw_only=True):
    """The fields of a response that demand calls or JSON; other records inherit them."""

    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    text: dict[str, Any] | None = None


def demand_of(
    fields: WireDemand, items: Sequence[Mapping[str, Any]] = (), *, is_native: bool = False
) -> Demand | None:
    """Return the demand of a response, or None.

    Args:
        fields: of the request.
        items: of its input, which may bring tools as well.
        is_native: the upstream itself says which other tools it has.

    Raises:
        RequestError: a field is wrong, or asks for something unsupported.
    """
    json_format = _json_format(fields.text)
    tools = all_tools(fields.tools, items)
    functions = functions_of(tools, is_limited=fields.tool_choice != "none" and not is_native)
    choice = _choice(fields.tool_choice)
    if tools and not functions:
        choice = Choice(may_call=choice.may_call)  # a call of the model's own tools
    offered = offered_functions(functions, choice, "tool_choice")
    if not offered and json_format is None:
        return None
    return Demand(
        functions=offered,
        must_call=choice.must_call and bool(offered),
        is_parallel=fields.parallel_tool_calls is not False,
        json_format=json_format,
    )


def echoed_text(text: dict[str, Any]) -> dict[str, Any]:
    """Return `text` as the response object repeats it: a schema with all its keys."""
    wanted = text.get("format") or {"type": "text"}
    if wanted.get("type") == "json_schema":
        wanted = {"description": None, "strict": False, **wanted}
    return {**text, "format": wanted}


def _choice(choice: str | dict[str, Any] | None) -> Choice:
    match choice:
        case None | "auto" | "none" | "required":
            return Choice(may_call=choice != "none", must_call=choice == "required")
        case {"type": "allowed_tools", "tools": list(tools), **others}:
            named = [name for tool in tools if (name := _chosen_name(tool))]
            if not named:
                return Choice(may_call=False)  # only the model's own tools
            must_call = others.get("mode") == "required"
            return Choice(must_call=must_call, only=tuple(named))
        case {"type": str(kind)} if (name := _chosen_name(choice)) or is_built_in(kind):
            return Choice(must_call=True, only=(name,)) if name else Choice()
        case _:
            forms = "'none', 'auto', 'required' or {'type': 'function', 'name': …}"
            raise refusal("tool_choice", f"expected {forms}")


def _chosen_name(tool: Any) -> str:
    """Return the model's name of a function or custom tool; empty for another tool."""
    match tool:
        case {"type": "function" | "custom", "name": str(name), **others}:
            namespace = others.get("namespace")
            return joined_name(name, namespace if isinstance(namespace, str) else None)
        case _:
            return ""


def _json_format(text: dict[str, Any] | None) -> JsonFormat | None:
    wanted = converted(text or {}, TextOptions, "text").format
    match wanted:
        case None | _Format(type="text"):
            return None
        case _Format(type="json_object"):
            return JsonFormat("text.format")
        case _Format(type="json_schema", name=""):
            raise refusal("text.format.name", "this field is required")
        case _Format(type="json_schema", schema=dict(schema)):
            path = "text.format.schema"
            about, is_strict = wanted.description or "", bool(wanted.strict)
            return JsonFormat(path, schema, wanted.name, about, is_strict=is_strict)
        case _Format(type="json_schema"):
            raise refusal("text.format.schema", "this field is required")
        case _Format(kind):
            problem = f"{quoted(kind)} is no format; use 'text', 'json_object' or 'json_schema'"
            raise refusal("text.format.type", problem)
