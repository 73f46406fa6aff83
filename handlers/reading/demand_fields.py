"""Reads the fields that demand calls or JSON into a `Demand` (openai-wire 5).

The records here are those of chat completions, and of the form before `tools`. Another dialect
makes its own `Function`s, which are checked here all the same.
"""

import asyncio
import re
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from handlers.reading.json_body import quoted, refusal
from service.demands.schema_errors import SchemaError
from service.demands.strict_schemas import check_strict
from service.vocabulary.requests import ChatRequest, Demand, Function, JsonFormat

MAX_FUNCTIONS = 128  # as OpenAI has it
NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")
DRAWING = "image_generation"
"""The upstream's own tool that draws, in the form of the Responses API."""
_NO_ARGUMENTS: dict[str, Any] = {"type": "object", "properties": {}}


class WireFunction(Struct, frozen=True):
    """A function as the caller describes it."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class WireTool(Struct, frozen=True):
    """An entry of `tools`: a function, or the upstream's own tool that draws, with its options."""

    type: str
    function: WireFunction | None = None
    model: str | None = None
    size: str | None = None
    quality: str | None = None
    background: str | None = None
    output_format: str | None = None
    moderation: str | None = None


class _Named(Struct, frozen=True):
    name: str


class _Allowed(Struct, frozen=True):
    tools: list[Any]
    mode: str = "auto"


class WireChoice(Struct, frozen=True):
    """`tool_choice` in the form of an object."""

    type: str
    function: _Named | None = None
    allowed_tools: _Allowed | None = None


class _JsonSchema(Struct, frozen=True):
    name: str = ""
    description: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None


class WireFormat(Struct, frozen=True):
    """`response_format`; some clients put a schema beside a `json_object`."""

    type: str
    json_schema: _JsonSchema | None = None
    schema: dict[str, Any] | None = None
    value: dict[str, Any] | None = None


class WireDemand(Struct, frozen=True, kw_only=True):
    """The fields of a chat completion that demand calls or JSON; other records inherit them."""

    tools: list[WireTool] | None = None
    tool_choice: str | WireChoice | None = None
    parallel_tool_calls: bool | None = None
    functions: list[WireFunction] | None = None
    function_call: str | _Named | None = None
    response_format: WireFormat | None = None


class Choice(Struct, frozen=True):
    """Which functions may be called (none, all or some), and whether a call is required."""

    may_call: bool = True
    must_call: bool = False
    only: tuple[str, ...] = ()


def demand_of(fields: WireDemand) -> Demand | None:
    """Return the demand of a chat completion, or None.

    Raises:
        RequestError: a field is wrong, or asks for something unsupported.
    """
    is_plain = fields.tool_choice is None and fields.response_format is None
    if is_plain and not fields.tools and not fields.functions:
        return None
    json_format = _json_format(fields.response_format)
    is_legacy = bool(fields.functions) and not fields.tools
    if not is_legacy:
        functions = [
            _tool(tool, f"tools[{at}]")
            for at, tool in enumerate(fields.tools or ())
            if tool.type != DRAWING
        ]
        choice, where = _tool_choice(fields.tool_choice), "tool_choice"
        if fields.tools and not functions:
            choice = Choice(may_call=choice.may_call)  # a use of the tool that draws
    else:
        named = enumerate(fields.functions or ())
        functions = [_function(each, f"functions[{at}]", "") for at, each in named]
        choice, where = _function_choice(fields.function_call), "function_call"
    offered = offered_functions(functions, choice, where)
    if not offered and json_format is None:
        return None
    return Demand(
        functions=offered,
        must_call=choice.must_call and bool(offered),
        is_parallel=not is_legacy and fields.parallel_tool_calls is not False,
        json_format=json_format,
        is_legacy=is_legacy,
    )


def offered_functions(
    functions: Sequence[Function], choice: Choice, where: str, most: int = MAX_FUNCTIONS
) -> tuple[Function, ...]:
    """Return the functions that may be called.

    Args:
        functions: all that were sent.
        choice: which of them may be called.
        where: the path of the choice, for errors.
        most: how many may be sent.

    Raises:
        RequestError: they are too many, two share a name, or the choice names no function.
    """
    if len(functions) > most:
        raise refusal("tools", f"expected up to {most} functions, got {len(functions)}")
    seen: set[str] = set()
    for function in functions:
        if function.name in seen:
            path = f"{function.path.rpartition('.')[0]}.name"
            raise refusal(path, f"another function is named {quoted(function.name)} as well")
        seen.add(function.name)
    if choice.must_call and not functions:
        raise refusal(where, "no function was sent that could be called")
    for name in choice.only:
        if name not in seen:
            raise refusal(where, f"{quoted(name)} is not among the functions sent")
    if not choice.may_call:
        return ()
    return tuple(each for each in functions if not choice.only or each.name in choice.only)


async def checked(chat: ChatRequest, *, is_native: bool) -> ChatRequest:
    """Return the request when its schemas were checked, off the event loop.

    Args:
        chat: what is asked for.
        is_native: its upstream holds answers to strict schemas itself, of which it takes a part only.

    Raises:
        RequestError: a schema is invalid; the message names the place in it.
    """
    if chat.demand is not None:
        await asyncio.to_thread(_check_schemas, chat.demand, is_native=is_native)
    return chat


def _check_schemas(demand: Demand, *, is_native: bool) -> None:
    from service.demands.json_schemas import check_schema  # noqa: PLC0415 - see there

    schemas = [(each.path, each.parameters, each.is_strict) for each in demand.functions]
    wanted = demand.json_format
    if wanted is not None and wanted.schema is not None:
        schemas.append((wanted.path, wanted.schema, wanted.is_strict))
    for path, schema, is_strict in schemas:
        try:
            check_schema(schema)
            if is_native and is_strict:
                check_strict(schema)
        except SchemaError as error:
            problem = f"this is no JSON Schema that can be used: {error.problem}"
            raise refusal(f"{path}{error.place}", problem, "invalid_json_schema") from None


def function(
    name: str,
    parameters: dict[str, Any] | None,
    description: str | None,
    path: str,
    *,
    is_strict: bool = False,
) -> Function:
    """Return a function that was sent.

    Args:
        name: as sent.
        parameters: the schema of its arguments; without one it takes none.
        description: as sent.
        path: where it stands in the request: the name and the schema are below it.
        is_strict: whether arguments have to fit without fail.

    Raises:
        RequestError: the name is invalid, or the schema is not that of an object.
    """
    if not NAME.fullmatch(name):
        problem = "expected 1 to 128 letters, digits, '_' and '-'"
        raise refusal(f"{path}.name", f"{quoted(name)} is no name of a function; {problem}")
    schema = _NO_ARGUMENTS if parameters is None else parameters
    if schema.get("type", "object") != "object":
        problem = "arguments are an object; send {'type': 'object', …}"
        raise refusal(f"{path}.parameters.type", problem, "invalid_json_schema")
    where = f"{path}.parameters"
    return Function(name, where, description or "", schema, is_strict=is_strict)


def _tool(tool: WireTool, path: str) -> Function:
    if tool.type != "function":
        problem = f"{quoted(tool.type)} tools are not supported; send functions"
        raise refusal(f"{path}.type", problem, "unsupported_parameter")
    if tool.function is None:
        raise refusal(f"{path}.function", "this field is required")
    return _function(tool.function, path, ".function")


def _function(sent: WireFunction, path: str, inner: str) -> Function:
    where, is_strict = f"{path}{inner}", bool(sent.strict)
    return function(sent.name, sent.parameters, sent.description, where, is_strict=is_strict)


def _tool_choice(choice: str | WireChoice | None) -> Choice:
    match choice:
        case None | "auto":
            return Choice()
        case "none":
            return Choice(may_call=False)
        case "required":
            return Choice(must_call=True)
        case WireChoice(type="function", function=_Named(name)):
            return Choice(must_call=True, only=(name,))
        case WireChoice(type=kind) if kind == DRAWING:
            return Choice()
        case WireChoice(type="allowed_tools", allowed_tools=_Allowed(tools, mode)):
            only = tuple(allowed_name(tool, at) for at, tool in enumerate(tools))
            return Choice(must_call=mode == "required", only=only)
        case _:
            forms = "'none', 'auto', 'required' or {'type': 'function', 'function': {'name': …}}"
            raise refusal("tool_choice", f"expected {forms}")


def allowed_name(tool: Any, at: int) -> str:
    """Return the name of an entry of `tool_choice.allowed_tools.tools`.

    Raises:
        RequestError: it has none.
    """
    match tool:
        case {"type": "function", "function": {"name": str(name)}} | {
            "type": "function",
            "name": str(name),
        }:
            return name
        case _:
            path = f"tool_choice.allowed_tools.tools[{at}]"
            raise refusal(path, "expected {'type': 'function', 'function': {'name': …}}")


def _function_choice(choice: str | _Named | None) -> Choice:
    match choice:
        case None | "auto":
            return Choice()
        case "none":
            return Choice(may_call=False)
        case _Named(name):
            return Choice(must_call=True, only=(name,))
        case _:
            raise refusal("function_call", "expected 'none', 'auto' or {'name': …}")


def _json_format(wanted: WireFormat | None) -> JsonFormat | None:
    match wanted:
        case None | WireFormat(type="text"):
            return None
        case WireFormat(type="json_object"):
            beside = {"schema": wanted.schema, "value": wanted.value}
            sent = ((name, schema) for name, schema in beside.items() if schema is not None)
            name, schema = next(sent, ("", None))
            return JsonFormat(f"response_format.{name}".rstrip("."), schema)
        case WireFormat(type="json_schema"):
            return _fitting_schema(wanted.json_schema)
        case WireFormat(kind):
            problem = f"{quoted(kind)} is no format; use 'text', 'json_object' or 'json_schema'"
            raise refusal("response_format.type", problem)


def _fitting_schema(sent: _JsonSchema | None) -> JsonFormat:
    path = "response_format.json_schema"
    if sent is None:
        raise refusal(path, "this field is required")
    if not sent.name:
        raise refusal(f"{path}.name", "this field is required")
    if sent.schema is None:
        raise refusal(f"{path}.schema", "this field is required")
    where, about = f"{path}.schema", sent.description or ""
    return JsonFormat(where, sent.schema, sent.name, about, is_strict=bool(sent.strict))
