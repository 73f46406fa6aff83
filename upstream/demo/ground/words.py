"""What is read out of a text: commands to the demo, its language, the functions that it is about."""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from upstream.demo.ground.recent import Recent

EXCERPT_CHARS = 200
KEPT_ONCE = 10_000
MAX_NUMBERS = 4
MIN_WORD_CHARS = 3
Words = Callable[[str, str], str]
"""Chooses between an English and a Chinese text."""
_COMMAND = re.compile(
    r"/(?:fault\s+(?P<once>once:)?(?P<fault>[A-Za-z0-9][A-Za-z0-9_-]*)(?::(?P<variant>\w+))?"
    r"(?P<numbers>(?:[ \t]+\d{1,9}(?:\.\d{1,9})?(?!\w))*)"
    r"|scene\s+(?P<scene>[A-Za-z0-9][A-Za-z0-9_-]*)|mark\s+(?P<mark>[A-Za-z0-9_-]{1,64}))"
)
_BETWEEN_LINES = re.compile(r"(?:\A|\n\s*\n)(\S+)\n(.*)\n(\S+)\s*\Z", re.DOTALL)
_STEPS = re.compile(r"\bthese steps\b[^\n]*\n---\n(.*?)\n---", re.IGNORECASE | re.DOTALL)
_RESULT_WORDS = re.compile(r"[\w.-]+")
RESULT_WORD = "WORD"
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_NAME_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|\d+")


class Fault(msgspec.Struct, frozen=True):
    """A fault as it was asked for; without a name there is none."""

    name: str = ""
    variant: str = ""
    """What follows a colon: the code of an error."""
    numbers: tuple[float, ...] = ()
    is_once: bool = False

    def number(self, default: float) -> float:
        """Return the first number, or a default."""
        return self.numbers[0] if self.numbers else default


class Commands(msgspec.Struct, frozen=True):
    """What a text asks the demo to play: `/scene NAME /fault once:NAME:VARIANT NUMBERS`."""

    scene: str = ""
    fault: Fault = Fault()
    mark: str = ""
    """The name in `/mark NAME`, under which `/demo/plays` tells what was played."""


def read_commands(text: str) -> Commands:
    """Return the first command of each kind."""
    found = list(_COMMAND.finditer(text))
    scene, mark = (
        next((one[kind] for one in found if one[kind]), "") for kind in ("scene", "mark")
    )
    return Commands(scene, next((_fault(one) for one in found if one["fault"]), Fault()), mark)


def plain_text(text: str) -> str:
    """Return a text without commands to the demo."""
    return _COMMAND.sub("", text).strip()


def between_lines(text: str) -> str:
    """Return the text between the first and the last line of the last paragraphs, if any."""
    found = _BETWEEN_LINES.search(text)
    return found[2] if found else ""


def is_chinese(text: str) -> bool:
    """Tell whether to answer a text in Chinese."""
    return bool(_CHINESE.search(text))


def quoted(text: str) -> str:
    """Return a text between quotation marks, cut if it is long."""
    return f"“{text}”" if len(text) <= EXCERPT_CHARS else f"“{text[:EXCERPT_CHARS]}…”"


def about_talk(words: Words, text: str, talk: Sequence[str], told: str) -> list[str]:
    """Return sentences about what was said: last, in the talk so far, and in instructions."""
    asked, begun, count = quoted(text), quoted((*talk, "")[0]), len(talk)
    sentences = (
        (
            True,
            f"you said {asked} and no model has thought about it.",
            f"你说的是{asked}，没有模型为此思考过。",
        ),
        (
            count,
            f"Our talk began with {begun}, {count} messages ago.",
            f"我们的谈话开始于{begun}，到现在有{count}条消息。",
        ),
        (told, f"My instructions are {told}.", f"我得到的指示是{told}。"),
    )
    return [words(*one) for is_so, *one in sentences if is_so]


def meant(functions: Iterable[str], text: str) -> list[str]:
    """Return the functions that have words of their names in a text, the best first."""
    lowered = text.lower()
    score = {name: sum(word in lowered for word in _words(name)) for name in functions}
    return sorted((name for name in score if score[name]), key=lambda name: -score[name])


class Once:
    """Remembers what was to happen once."""

    def __init__(self) -> None:
        self._seen: Recent[bytes, None] = Recent(KEPT_ONCE)

    def is_first(self, *what: object) -> bool:
        """Tell whether this was not asked before."""
        key = hashlib.sha256(repr(what).encode("utf-8", "replace")).digest()
        is_first = key not in self._seen
        self._seen[key] = None
        return is_first


def _fault(found: re.Match[str]) -> Fault:
    numbers = tuple(float(one) for one in found["numbers"].split()[:MAX_NUMBERS])
    name = found["fault"].lower().replace("_", "-")
    return Fault(name, found["variant"] or "", numbers, is_once=bool(found["once"]))


def _words(name: str) -> list[str]:
    parts = [part.lower() for part in _NAME_PARTS.findall(name)]
    return [part for part in parts if len(part) >= MIN_WORD_CHARS and part != "get"]


def has_steps(text: str) -> bool:
    """Tell whether a question asks for steps."""
    return _STEPS.search(text) is not None


def next_step(text: str, results: Sequence[str]) -> dict[str, Any] | None:
    """Return the call that is due after so many results, or None after the last one.

    A question lists them, so that an agent can be seen to run a loop; `WORD` in them stands for
    the last word of what the first one returned:

        Do these steps:
        ---
        [{"name": "Bash", "arguments": {"command": "cat secret.txt"}},
         {"name": "Write", "arguments": {"file_path": "answer.txt", "content": "WORD"}}]
        ---
    """
    found = _STEPS.search(text)
    steps: list[dict[str, Any]] = json.loads(found[1]) if found else []
    if len(results) >= len(steps):
        return None
    shown = json.dumps(steps[len(results)]).replace(RESULT_WORD, last_word(results))
    due: dict[str, Any] = json.loads(shown)
    return due


def last_word(results: Sequence[str]) -> str:
    """Return the last word of what the first call returned."""
    words = _RESULT_WORDS.findall(results[0]) if results else []
    return words[-1] if words else "nothing"
