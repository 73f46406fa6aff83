"""A model that is told to call functions or to write JSON, and does, or does not.

What the system messages of a talk tell it is read as a model reads it, in words and examples, so
that any gateway's own way of putting it may do: functions are lines of JSON with a name and a
schema, and how a call is written is taken from the example.
"""

import json
import re
from typing import Any

import msgspec

from upstream.demo.ground.samples import Sampler
from upstream.demo.ground.words import has_steps, last_word, meant, next_step, plain_text
from upstream.demo.scenes.questions import Said
from upstream.demo.scenes.scene import Scene

ANY_OBJECT = {"properties": {"answer": {"type": "string"}}}
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
    """Return the instructions of the last system message that has any."""
    read = [_read_told(one.text) for one in history if one.role in {"system", "critic"}]
    return next((told for told in reversed(read) if told != Instructions()), Instructions())


def _read_told(told: str) -> Instructions:
    functions: dict[str, dict[str, Any]] = {}
    schema: dict[str, Any] = {}
    for entry in filter(None, map(_object, told.splitlines())):
        if isinstance(entry.get("parameters"), dict):
            functions[str(entry.get("name"))] = entry["parameters"]
        elif "arguments" not in entry:
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
    place = Place("")
    for one in history:
        report = _REPORT.match(one.text)
        if one.role == "assistant":
            # The steps of a question go on over all calls and results, and over reminders.
            place = place if has_steps(place.question) else Place(place.question)
        elif has_steps(place.question) and not has_steps(one.text) and report is None:
            continue
        elif one.role == "user" and report is None:
            place = Place(one.text)
        elif report and "result" in report[0].lower():
            results = (*place.results, one.text[report.end() :].strip())
            place = msgspec.structs.replace(place, results=results)
        elif report:
            place = msgspec.structs.replace(place, complaint=one.text)
    return place


def is_told(history: tuple[Said, ...]) -> bool:
    """Tell whether the instructions have a say in the next answer."""
    told, place = read_instructions(history), read_place(history)
    if told.wants_json or not told.functions:
        return told.wants_json
    if has_steps(place.question):
        return True
    return bool(told.must_call or place.results or place.complaint or _meant(told, place))


def _found(told: Instructions, place: Place) -> list[str]:
    """Return the function that a question means and a search for tools has just found."""
    label, _, found = place.results[-1].partition("returned:")
    names = meant(told.functions, plain_text(place.question))
    is_search = label.startswith("tool_search ")
    return [name for name in names if is_search and name in found][:1]


def obedient(scene: Scene) -> str:
    """Return the calls or the JSON that are due, or a report of results."""
    told, place = _read(scene)
    if has_steps(place.question) and told.functions:
        return _next_of_steps(told, place)
    names = _meant(told, place)
    if told.must_call and not names:
        names = list(told.functions)[:1]
    if place.results and not told.must_call:
        names = _found(told, place)
    if names:
        return "\n".join(_call(told, name, place) for name in names)
    if told.wants_json:
        value = Sampler(told.schema or ANY_OBJECT, plain_text(place.question)).value()
        return json.dumps(value, ensure_ascii=False)
    words = scene.question.words
    results = " ".join(" ".join(one.split()) for one in place.results)
    nothing = words("I was told of no function to call.", "没有可以调用的函数。")
    return words("Demo answer: ", "演示回答：") + (results or nothing)


def _next_of_steps(told: Instructions, place: Place) -> str:
    """Return the call that is due of those that a question lists, and the word at the end."""
    results = [one.partition("returned:")[2] or one for one in place.results]
    step = next_step(place.question, results)
    if step is None:
        return f"Demo: {last_word(results)}"
    return f"{told.opening}\n{json.dumps(step, ensure_ascii=False)}\n{told.closing}"


def slip(scene: Scene) -> str:
    """Answer wrongly at first, and rightly after a complaint."""
    told, place = _read(scene)
    is_due = told.functions or told.wants_json
    is_first = is_due and not place.complaint and not place.results
    return disobedient(scene) if is_first else obedient(scene)


def disobedient(scene: Scene) -> str:
    """Return a call without its end, or words where JSON or a call is due."""
    told, place = _read(scene)
    if told.functions and not told.must_call and not told.wants_json:
        name = next(iter(_meant(told, place) or told.functions))
        call = json.dumps({"name": name, "arguments": {"demo": None}})
        return f"{told.opening}\n{call[:-1]}\n{told.closing}"
    return scene.question.words(
        "Demo: I would rather talk about the weather than do that.",
        "演示：我更想聊聊天气，而不是照做。",
    )


def _read(scene: Scene) -> tuple[Instructions, Place]:
    history = scene.question.history
    return read_instructions(history), read_place(history)


def _meant(told: Instructions, place: Place) -> list[str]:
    """Return the functions that a question has words of, the best first."""
    found = meant(told.functions, plain_text(place.question))
    return found if told.may_call_several else found[:1]


def _call(told: Instructions, name: str, place: Place) -> str:
    arguments = Sampler(told.functions[name], plain_text(place.question)).value()
    call = json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False)
    return f"{told.opening}\n{call}\n{told.closing}"


def _object(line: str) -> dict[str, Any]:
    if not line.startswith("{"):
        return {}
    try:
        value = json.loads(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
