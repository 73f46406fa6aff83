"""What the model is told so that its answer is calls or JSON: the upstream has neither.

The instructions are one system message at the start, joined to the caller's own: there
an upstream keeps what it is told. Calls and results of the history are written as the
instructions say, so that the model finds its own words again.
"""

import json
from collections.abc import Iterator
from typing import Any

from msgspec import structs

from service.stages.function_calls.call_block import END_TAG, TAG
from service.vocabulary.requests import (
    ChatMessage,
    ChatRequest,
    Demand,
    Function,
    JsonFormat,
    TextPart,
)

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
    """Return the request with its demand told to the model, if it has one."""
    if chat.demand is None:
        return chat
    told = instructions(chat.demand)
    first, rest = chat.messages[0], chat.messages[1:]
    if first.role == "system":
        joined = ChatMessage("system", (*first.parts, TextPart(f"\n{told}")))
        return structs.replace(chat, messages=(joined, *rest))
    return structs.replace(chat, messages=(ChatMessage("system", (TextPart(told),)), first, *rest))


def instructions(demand: Demand) -> str:
    """Return what the model has to know of a demand."""
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
    """Return what asks the model for a better answer, once."""
    how = []
    if demand.functions:
        how.append(_CORRECT_CALL)
    if demand.json_format is not None:
        unless = "If you call no function: " if demand.functions else ""
        how.append(unless + _CORRECT_JSON.format(kind=_kind(demand.json_format)))
    return _CORRECTION.format(problem=problem, how=" ".join(how))


def call_text(call_id: str, name: str, arguments: str) -> str:
    """Return a call of the history as the model would have written it.

    Args:
        call_id: names the result that follows; may be empty.
        name: of the function.
        arguments: JSON text; where it is none, it is quoted as it is.
    """
    call: dict[str, Any] = {"id": call_id} if call_id else {}
    try:
        call |= {"name": name, "arguments": json.loads(arguments) if arguments.strip() else {}}
    except (ValueError, RecursionError):
        call |= {"name": name, "arguments": arguments}
    return f"{TAG}\n{_json(call)}\n{END_TAG}"


def result_text(call_id: str, name: str, text: str) -> str:
    """Return the result of a call of the history; either name may be empty."""
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
