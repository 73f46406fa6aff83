"""Scenarios of a model that is told to call functions or to write JSON, and does, or does not."""

import json
import re
from typing import Any

from upstream.demo.ground.instructions import Instructions, Place, read_instructions, read_place
from upstream.demo.ground.questions import FAULT, SCENE
from upstream.demo.ground.samples import Sampler
from upstream.demo.ground.scene import Scene

MIN_WORD_CHARS = 3
ANY_OBJECT = {"properties": {"answer": {"type": "string"}}}
SLIP_WORDS = r"\bfirst (badly|wrong)\b|先错后对"
DISOBEDIENT_WORDS = r"\b(disobey|disobedient)\b|不听话"
_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|\d+")


def is_told(scene: Scene) -> bool:
    """Tell whether the instructions have a say in the next answer."""
    told, place = _read(scene)
    if told.wants_json:
        return True
    if not told.functions:
        return False
    return bool(told.must_call or place.results or place.complaint or _meant(told, place))


def manner(scene: Scene) -> str:
    """Return the scenario that the question asked for by words, which reports do not repeat."""
    _, place = _read(scene)
    for name, words in (("slip", SLIP_WORDS), ("disobedient", DISOBEDIENT_WORDS)):
        if re.search(rf"/scene\s+{name}\b|{words}", place.question, re.IGNORECASE):
            return name
    return "obedient"


def play_obedient(scene: Scene) -> None:
    """Do as told."""
    told, place = _read(scene)
    names = _meant(told, place)
    if told.must_call and not names:
        names = list(told.functions)[:1]
    if names and (told.must_call or not place.results):
        scene.say(_calls(told, names, place))
        return
    if told.wants_json:
        value = Sampler(told.schema or ANY_OBJECT, _asked(place)).value()
        scene.say(json.dumps(value, ensure_ascii=False))
        return
    head = scene.words("Demo answer: ", "演示回答：")
    results = " ".join(" ".join(one.split()) for one in place.results)
    nothing = scene.words("I was told of no function to call.", "没有可以调用的函数。")
    scene.say(head + (results or nothing))


def play_slip(scene: Scene) -> None:
    """Get it wrong at first, and right when told so."""
    told, place = _read(scene)
    if place.complaint or place.results or not (told.functions or told.wants_json):
        play_obedient(scene)
    else:
        scene.say(_wrong(scene, told, place))


def play_disobedient(scene: Scene) -> None:
    """Get it wrong whatever is said."""
    told, place = _read(scene)
    scene.say(_wrong(scene, told, place))


def _read(scene: Scene) -> tuple[Instructions, Place]:
    history = scene.question.history
    return read_instructions(history), read_place(history)


def _asked(place: Place) -> str:
    """Return the question without commands to the demo."""
    return SCENE.sub("", FAULT.sub("", place.question)).strip()


def _meant(told: Instructions, place: Place) -> list[str]:
    """Return the functions that a question has words of, the best first."""
    text = _asked(place).lower()
    score = {name: sum(word in text for word in _words(name)) for name in told.functions}
    found = sorted((name for name in score if score[name]), key=lambda name: -score[name])
    return found if told.may_call_several else found[:1]


def _words(name: str) -> list[str]:
    parts = [part.lower() for part in _PARTS.findall(name)]
    return [part for part in parts if len(part) >= MIN_WORD_CHARS and part != "get"]


def _calls(told: Instructions, names: list[str], place: Place) -> str:
    blocks = []
    for name in names:
        call = {"name": name, "arguments": Sampler(told.functions[name], _asked(place)).value()}
        blocks.append(f"{told.opening}\n{json.dumps(call, ensure_ascii=False)}\n{told.closing}")
    return "\n".join(blocks)


def _wrong(scene: Scene, told: Instructions, place: Place) -> str:
    if told.functions and not told.must_call and not told.wants_json:
        name = next(iter(_meant(told, place) or told.functions))
        call: dict[str, Any] = {"name": name, "arguments": {"demo": None}}
        return f"{told.opening}\n{json.dumps(call)[:-1]}\n{told.closing}"
    return scene.words(
        "Demo: I would rather talk about the weather than do that.",
        "演示：我更想聊聊天气，而不是照做。",
    )
