"""Which scenario of `scenarios.yaml` a question calls for, and how its rows are played."""

import re
from typing import Any

import msgspec

from upstream.demo.ground.templates import fill, load
from upstream.demo.ground.words import read_commands
from upstream.demo.scenes.faults import FAULT_NAMES
from upstream.demo.scenes.moves import MOVES
from upstream.demo.scenes.names import Names
from upstream.demo.scenes.obedience import is_told, read_place
from upstream.demo.scenes.scene import Scene
from upstream.demo.scenes.script import Script

Row = dict[str, Any]
DALLE_GIZMO = "g-2fkFE8rbu"


class Scenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One scenario, as `scenarios.yaml` has it."""

    rows: tuple[Row, ...]
    example: str
    words: str = ""
    besides: str = ""
    use_case: str = "text"


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of `scenarios.yaml`."""

    details: dict[str, Any]
    shared: dict[str, tuple[Row, ...]]
    scenarios: dict[str, Scenario]


TABLE = msgspec.convert(load(__file__), Table)
SCENARIOS = TABLE.scenarios


def _pattern(one: Scenario) -> re.Pattern[str]:
    besides = f"(?=.*{SCENARIOS[one.besides].words})" if one.besides else ""
    words = f"^{besides}(?=.*({one.words}))" if besides else one.words
    return re.compile(words, re.IGNORECASE | re.DOTALL)


PATTERNS = {name: _pattern(one) for name, one in SCENARIOS.items() if one.words}


def choose(scene: Scene) -> str:
    """Return the scenario for a question: by name, instructions, words, hint, GPT or model."""
    question = scene.question
    if question.commands.scene in SCENARIOS:
        return question.commands.scene
    if is_told(question.history):
        return _manner(read_place(question.history).question)
    by_words = next((name for name, one in PATTERNS.items() if one.search(question.text)), "")
    if "picture_v2" in question.hints and by_words in {"", "picture"}:
        return "picture_native"
    by_gizmo = "picture" if question.gizmo_id == DALLE_GIZMO else ""
    hints = {"search": "search", "reason": "thoughts"}
    by_hint = next((hints[hint] for hint in hints if hint in question.hints), "")
    by_model = "o1" if question.model.startswith("o1") else "plain"
    return by_words or by_gizmo or by_hint or by_model


def play(scene: Scene, fault: str) -> Script:
    """Write the whole script; some faults change what is said, not how it is sent."""
    name = choose(scene)
    scenario, shared = SCENARIOS[name], TABLE.shared
    names = Names(
        scene,
        use_case=scenario.use_case,
        details=conversation_details(scene.question.model),
        faults=" | ".join(FAULT_NAMES),
        scenarios="".join(f"- {name}: {one.example}\n" for name, one in SCENARIOS.items()),
    )
    handoff = shared["handoff"] if fault.startswith("handoff") else ()
    said = shared["nothing"] if fault == "empty" else scenario.rows
    perform(scene, shared["token"] + handoff + shared["opening"] + said + shared["closing"], names)
    return scene.script(name)


def perform(scene: Scene, rows: tuple[Row, ...], names: Names) -> None:
    """Make the move of each row."""
    for row in rows:
        arguments = fill(row, names)
        named = arguments.pop("as", "")
        move = next(iter(arguments))
        what = arguments.pop(move)
        if move == "do":
            names.update(arguments)
            perform(scene, TABLE.shared[what], names)
        else:
            names[named] = MOVES[move](scene, what, **arguments)


def conversation_details(model: str) -> dict[str, Any]:
    """Return the limits that follow an answer and answer `conversation/init`."""
    details: dict[str, Any] = fill(TABLE.details, {"model": model})
    return details


def _manner(question: str) -> str:
    """Return the manner in which a question wants its instructions followed; reports leave it out."""
    asked = read_commands(question).scene
    manners = ("slip", "disobedient")
    found = (name for name in manners if asked == name or PATTERNS[name].search(question))
    return next(found, "obedient")
