"""One line of the support list: what is sent, and what has to come of it."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tests.gateway import Answer, Gateway


class Verdict(StrEnum):
    HONOURED = "honoured"
    IGNORED = "ignored"
    REFUSED = "refused"


@dataclass(frozen=True)
class File:
    """A file of a form."""

    content: bytes
    name: str
    shown: str = "a file"


@dataclass
class Seen:
    """What came of a call: the answer, and the turn that reached the demo, if one did."""

    answer: Answer
    turn: dict[str, Any] | None
    gateway: Gateway
    call: Callable[..., Awaitable[Answer]]

    @property
    def words(self) -> str:
        """All that the turn says."""
        assert self.turn is not None
        return json.dumps(self.turn["messages"], ensure_ascii=False)

    @property
    def content(self) -> str:
        """The text of an answer in any dialect."""
        body = self.answer.json
        if "output" in body:
            items = [item for item in body["output"] if item["type"] == "message"]
            return "".join(part["text"] for item in items for part in item["content"])
        choice = body["choices"][0]
        return str(choice["text"] if "text" in choice else choice["message"]["content"])


Shows = Callable[[Seen], Any]


@dataclass(frozen=True)
class Case:
    """A field with a value.

    `sent` is laid over the table's base; `shows` tells whether an honoured field was. Of a
    refused one, `param` is the place that the error names; an ignored one is named in
    `x-ignored-fields` unless it is `is_silent`.
    """

    field: str
    shown: str
    verdict: Verdict
    sent: dict[str, Any] = field(default_factory=dict)
    shows: Shows | None = None
    param: str = ""
    is_silent: bool = False
    path: str = ""


def honoured(name: str, value: Any, shows: Shows, *, path: str = "", **beside: Any) -> Case:
    """Say that a field does what it is for."""
    return Case(name, _shown(value), Verdict.HONOURED, {**beside, name: value}, shows, path=path)


def ignored(name: str, value: Any, *, is_silent: bool = False) -> Case:
    """Say that a field is accepted and changes nothing upstream."""
    return Case(name, _shown(value), Verdict.IGNORED, {name: value}, is_silent=is_silent)


def refused(name: str, value: Any, *, param: str = "", **beside: Any) -> Case:
    """Say that a field is a 400 that names it."""
    sent = {**beside, name: value}
    return Case(name, _shown(value), Verdict.REFUSED, sent, param=param or name)


def kind(label: str, verdict: Verdict, sent: dict[str, Any], shows: Shows | None = None) -> Case:
    """Say it of one kind of what a field may hold; `label` is as in `official.py`."""
    return Case(label, "", verdict, sent, shows, param="", is_silent=True)


def _shown(value: Any) -> str:
    if isinstance(value, File):
        return value.shown
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 48 else f"{text[:45]}…"
