"""What the system messages of a talk tell a model to do: functions to call, JSON to write.

It is read as a model reads it, in words and examples, so that any gateway's own way of
putting it may do: functions are lines of JSON with a name and a schema, and how a call
is written is taken from the example.
"""

import json
import re
from typing import Any

import msgspec

from upstream.demo.ground.questions import Said

_EXAMPLE = re.compile(r'^(\S+)\n\{"name": .*\}\n(\S+)$', re.MULTILINE)
_REPORT = re.compile(r"\s*\[[A-Z][A-Za-z ]{2,30}\]")
_MUST_CALL = re.compile(r"\bmust call\b", re.IGNORECASE)
_SEVERAL = re.compile(r"\bseveral functions\b", re.IGNORECASE)
_ONLY_JSON = re.compile(r"\bone JSON (value|object)\b.*\bnothing else\b", re.IGNORECASE)


class Instructions(msgspec.Struct, frozen=True):
    """What a model was told besides the question."""

    functions: dict[str, dict[str, Any]] = {}
    """JSON Schemas of arguments, by name of the function."""
    opening: str = ""
    closing: str = ""
    must_call: bool = False
    may_call_several: bool = False
    wants_json: bool = False
    schema: dict[str, Any] = {}


class Place(msgspec.Struct, frozen=True):
    """Where in a talk the model is: the last question, and what was reported since."""

    question: str
    results: tuple[str, ...] = ()
    complaint: str = ""


def read_instructions(history: tuple[Said, ...]) -> Instructions:
    """Return what the system messages say: the last one counts that says anything of the kind."""
    told = Instructions()
    for one in history:
        if one.role in {"system", "critic"} and (said := _read(one.text)) != Instructions():
            told = said
    return told


def _read(told: str) -> Instructions:
    functions: dict[str, dict[str, Any]] = {}
    schema: dict[str, Any] = {}
    for line in told.splitlines():
        entry = _object(line)
        if isinstance(entry.get("parameters"), dict):
            functions[str(entry.get("name"))] = entry["parameters"]
        elif entry and "arguments" not in entry:
            schema = entry
    example = _EXAMPLE.search(told)
    return Instructions(
        functions=functions if example else {},
        opening=example[1] if example else "",
        closing=example[2] if example else "",
        must_call=bool(_MUST_CALL.search(told)),
        may_call_several=bool(_SEVERAL.search(told)),
        wants_json=bool(_ONLY_JSON.search(told)),
        schema=schema,
    )


def read_place(history: tuple[Said, ...]) -> Place:
    """Return the last question and what followed it; reports begin with a word in brackets."""
    question, complaint = "", ""
    results: list[str] = []
    for one in history:
        report = _REPORT.match(one.text)
        if one.role == "assistant":
            results, complaint = [], ""
        elif one.role == "user" and report is None:
            question, results, complaint = one.text, [], ""
        elif report and "result" in report[0].lower():
            results.append(one.text[report.end() :].strip())
        elif report:
            complaint = one.text
    return Place(question, tuple(results), complaint)


def _object(line: str) -> dict[str, Any]:
    if not line.startswith("{"):
        return {}
    try:
        value = json.loads(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
