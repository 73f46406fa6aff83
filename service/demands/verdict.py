"""Judges whether an answer meets a demand: matching calls, matching JSON, or words."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from msgspec import Struct

from service.demands.schema_errors import SchemaError
from service.stages.function_calls.call_block import CallBlock
from service.stages.function_calls.call_shapes import WrittenCall
from service.vocabulary.requests import Demand, JsonFormat

# Linear: no part backtracks; white space before the closing fence is stripped afterwards.
_FENCED = re.compile(r"```[\w+-]*+[ \t]*+\r?\n(.*?)```", re.DOTALL)
_MAX_NAMED = 20  # functions listed in a problem


class Verdict(Struct, frozen=True):
    """The content of an answer: calls, JSON text, or words if neither; or its problem.

    `is_hopeless`: another answer would not help, since the schema cannot be evaluated.
    """

    calls: tuple[WrittenCall, ...] = ()
    json_text: str | None = None
    problem: str = ""
    is_hopeless: bool = False


def judge(demand: Demand, blocks: Sequence[CallBlock], messages: Sequence[str]) -> Verdict:
    """Judge an answer against a demand; blocks like a check of `json_schemas`.

    Args:
        demand: what was asked for.
        blocks: the places where it calls functions.
        messages: the text of each visible message, without those places.
    """
    try:
        if blocks:
            return _judged_calls(demand, blocks)
        if demand.must_call:
            return Verdict(problem="it calls no function, and at least one has to be called")
        if demand.json_format is not None:
            return _judged_json(demand.json_format, messages)
    except SchemaError as error:
        return Verdict(problem=f"the JSON Schema: {error}", is_hopeless=True)
    return Verdict()


def _judged_calls(demand: Demand, blocks: Sequence[CallBlock]) -> Verdict:
    problems = [f"a call cannot be read: {block.problem}" for block in blocks if block.problem]
    calls = [call for block in blocks for call in block.calls]
    if not demand.is_parallel:
        calls = calls[:1]
    functions = {function.name: function for function in demand.functions}
    for call in calls:
        if (function := functions.get(call.name)) is None:
            names = ", ".join(list(functions)[:_MAX_NAMED])
            problems.append(f"there is no function {call.name[:100]!r}, but there is: {names}")
        elif misfit := _problem_with(json.loads(call.arguments), function.parameters):
            problems.append(f"the arguments of {call.name} do not fit: {misfit}")
    return Verdict(problem="; ".join(problems)) if problems else Verdict(tuple(calls))


def _judged_json(wanted: JsonFormat, messages: Sequence[str]) -> Verdict:
    problem = "it is empty"
    for text in _candidates(messages):
        try:
            value = json.loads(text, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            problem = f"it is not JSON: {error}"
            continue
        if problem := _misfit(value, wanted):
            return Verdict(problem=problem)
        return Verdict(json_text=text)
    return Verdict(problem=problem)


def _candidates(messages: Sequence[str]) -> list[str]:
    """Return the texts that may be the JSON of an answer, the most likely last."""
    whole = "\n\n".join(messages)
    fenced = _FENCED.findall(whole)
    parts = [*(fenced if len(fenced) == 1 else ()), *messages[-1:], whole]
    return [text for part in reversed(parts) if (text := part.strip())]


def _misfit(value: Any, wanted: JsonFormat) -> str:
    if wanted.schema is None:
        return "" if isinstance(value, dict) else "the JSON is no object"
    misfit = _problem_with(value, wanted.schema)
    return f"the JSON does not fit the schema: {misfit}" if misfit else ""


def _problem_with(value: Any, schema: Mapping[str, Any]) -> str:
    from service.demands.json_schemas import problem_with  # noqa: PLC0415 - see there

    return problem_with(value, schema)


def _no_constant(name: str) -> NoReturn:
    message = f"{name} is not a JSON number"
    raise ValueError(message)
