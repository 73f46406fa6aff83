"""Instructions that make a model answer with calls or JSON, for upstreams without either.

They form one system message at the start, joined to the caller's own, because an upstream keeps
what it is told there. Calls and results of the history are written in the form that the
instructions prescribe, so that the model recognises its own words. Items that only other upstreams
can read are left out of the history.
"""

import json
from collections.abc import Iterator
from typing import Any

from msgspec import structs

from service.stages.function_calls.call_block import END_TAG, TAG
from service.vocabulary.requests import (
    CUSTOM_INPUT,
    TOOL_SEARCH,
    CallPart,
    ChatMessage,
    ChatRequest,
    Demand,
    DrawnPart,
    FilePart,
    Function,
    ItemPart,
    JsonFormat,
    Part,
    ResultPart,
    SealedPart,
    TextPart,
)

NAMESPACE_SEPARATOR = "__"
_PLAIN = (TextPart, FilePart)

_CALLING = f"""# Functions
Besides answering in words you can call the functions listed below. They run on the side of the \
caller, who sends you what they returned. They are not your own tools: you call one only by \
writing exactly this, as plain text, outside of any code block:
{TAG}
{{"name": "FUNCTION", "arguments": {{}}}}
{END_TAG}
"arguments" is a JSON object that fits the function's "parameters", which is a JSON Schema. \
Write nothing after a call, wait for its result, and never make up a result.
"""
_SEVERAL = "To call several functions at once, write one such block for each call.\n"
_ONE = "Write one such block at the most.\n"
_MAY_CALL = "Call a function only where it helps; otherwise answer in words.\n"
_MUST_CALL = "This time you must call at least one function, before anything else.\n"
_LIST = "The functions, one on each line:\n"
_ONLY_JSON = """# Form of the answer
Answer with one JSON {kind} and nothing else: no words before or after it, no code block.
"""
_FITTING = "It must fit this JSON Schema{name}:\n"
_UNLESS_CALL = "This does not hold for an answer that calls functions.\n"
_CORRECTION = """[Correction] Your last answer could not be used: {problem}.
Answer again, correctly this time, without a word about this correction. {how}"""
_CORRECT_CALL = (
    f'To call a function, write {TAG}\n{{"name": "FUNCTION", "arguments": {{}}}}\n{END_TAG} and'
    " nothing after it, with arguments that fit the function's parameters. Repeat every call you"
    " meant to make."
)
_CORRECT_JSON = "Write the whole JSON {kind} and nothing else, no code block."


def instructed(chat: ChatRequest) -> ChatRequest:
    """Return the request with its demand and the calls of its history put into words."""
    messages = told_history(chat.messages)
    if chat.demand is None:
        return chat if messages is chat.messages else structs.replace(chat, messages=messages)
    told = instructions(chat.demand)
    if messages and messages[0].role == "system":
        first, rest = messages[0], messages[1:]
        joined = ChatMessage("system", (*first.parts, TextPart(f"\n{told}")))
        return structs.replace(chat, messages=(joined, *rest))
    system = ChatMessage("system", (TextPart(told),))
    return structs.replace(chat, messages=(system, *messages))


def told_history(messages: tuple[ChatMessage, ...]) -> tuple[ChatMessage, ...]:
    """Return a history of texts and files only, its calls and results put into words."""
    if all(isinstance(part, _PLAIN) for message in messages for part in message.parts):
        return messages
    names: dict[str, str] = {}  # the functions called so far, by the id of the call
    told = []
    for message in messages:
        parts = tuple(plain for part in message.parts for plain in _told(part, names))
        if parts or not message.parts:
            told.append(structs.replace(message, parts=parts))
    return tuple(told)


def _told(part: Part, names: dict[str, str]) -> Iterator[TextPart | FilePart]:
    match part:
        case TextPart() | FilePart():
            yield part
        case CallPart(call_id, name, arguments):
            joined = joined_name(name, part.namespace)
            if call_id:
                names[call_id] = joined
            is_custom = part.is_custom
            text = json.dumps({CUSTOM_INPUT: arguments}) if is_custom else arguments
            yield TextPart(call_text(call_id, joined, text))
        case ResultPart(call_id, content, _, name):
            yield TextPart(result_text(call_id, names.get(call_id) or name, part.text))
            yield from (each for each in content if isinstance(each, FilePart))
        case ItemPart({"type": "tool_search_call", "call_id": str(call_id), **item}):
            yield TextPart(call_text(call_id, TOOL_SEARCH, json.dumps(item.get("arguments"))))
        case ItemPart({"type": "tool_search_output", "call_id": str(call_id), **item}):
            found = ", ".join(_found(item.get("tools"))) or "nothing"
            yield TextPart(result_text(call_id, TOOL_SEARCH, f"You can now call: {found}"))
        case SealedPart() | DrawnPart() | ItemPart():
            return  # it had no part that can be put into words


def _found(tools: Any) -> Iterator[str]:
    """The names by which the model calls the tools that a search found."""
    for tool in tools if isinstance(tools, list) else ():
        match tool:
            case {"type": "namespace", "name": str(namespace), "tools": [*inner]}:
                yield from (joined_name(name, namespace) for name in _found(inner))
            case {"name": str(name)}:
                yield name
            case _:
                continue


def joined_name(name: str, namespace: str | None) -> str:
    """Return the name by which the model calls a tool, such as `mcp__list`."""
    return f"{namespace}{NAMESPACE_SEPARATOR}{name}" if namespace else name


def instructions(demand: Demand) -> str:
    """Return the instructions for a demand."""
    return "\n".join(_sections(demand))


def _sections(demand: Demand) -> Iterator[str]:
    if demand.functions:
        number = _SEVERAL if demand.is_parallel else _ONE
        when = _MUST_CALL if demand.must_call else _MAY_CALL
        listed = "\n".join(_listed(function) for function in demand.functions)
        yield f"{_CALLING}{number}{when}{_LIST}{listed}"
    if (wanted := demand.json_format) is not None:
        text = _ONLY_JSON.format(kind=_kind(wanted))
        if demand.functions:
            text += _UNLESS_CALL
        if wanted.description:
            text += f"{wanted.description}\n"
        if wanted.schema is not None:
            name = f" ({wanted.name})" if wanted.name else ""
            text += f"{_FITTING.format(name=name)}{_json(wanted.schema)}"
        yield text


def correction(demand: Demand, problem: str) -> str:
    """Return the message that asks the model for a better answer."""
    how = []
    if demand.functions:
        how.append(_CORRECT_CALL)
    if demand.json_format is not None:
        unless = "If you call no function: " if demand.functions else ""
        how.append(unless + _CORRECT_JSON.format(kind=_kind(demand.json_format)))
    return _CORRECTION.format(problem=problem, how=" ".join(how))


def call_text(call_id: str, name: str, arguments: str) -> str:
    """Return a call of the history in the form that the model is told to write.

    Args:
        call_id: names the result that follows; may be empty.
        name: the function's.
        arguments: JSON text; any other text is quoted unchanged.
    """
    call: dict[str, Any] = {"id": call_id} if call_id else {}
    try:
        call |= {"name": name, "arguments": json.loads(arguments) if arguments.strip() else {}}
    except (ValueError, RecursionError):
        call |= {"name": name, "arguments": arguments}
    return f"{TAG}\n{_json(call)}\n{END_TAG}"


def result_text(call_id: str, name: str, text: str) -> str:
    """Return the result of a call in the history; `call_id` or `name` may be empty."""
    called = f"{name} ({call_id})" if name and call_id else name or call_id
    return f"{called} returned:\n{text}" if called else text


def _listed(function: Function) -> str:
    entry: dict[str, Any] = {"name": function.name}
    if function.description:
        entry["description"] = function.description
    return _json(entry | {"parameters": function.parameters})


def _kind(wanted: JsonFormat) -> str:
    return "object" if wanted.schema is None else "value"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
