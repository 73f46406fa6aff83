"""Transcripts: their form, and how one becomes bytes of either stream generation.

A file of `tests/transcripts/` is a JSON object:

    why      the row of the specification (`P` is protocol.md) or the rule it proves
    sent     messages that the turn sent: {role, id, text}; one user message when absent
    steps    what the upstream says, in order, each step one of
               {"id": ..., ...}     a message as far as it has grown, see `growth.py`
               {"event": {...}}     a JSON object of its own, sent as it is
               {"lines": [...]}     lines of the body, as they are
               {"done": true}       `data: [DONE]`
    v0, v1   steps of that generation only, in place of `steps`
    end      how the body ended, a value of `BodyEnd`; clean when absent
    unterminated   true: the body lacks its final line ends
    expect   what a caller gets; `tests/feeding.py` says how each key is compared

Sending v1, every way that protocol 3.4 allows may be chosen, by a seed; each
delta is checked against the definition in `delta_v1.py` before it is sent.
"""

import functools
import json
import random
import re
from pathlib import Path
from typing import Any

from tests.oracle.delta_v1 import Definition, copied, whole
from tests.oracle.growth import Growth

CONVERSATION = "c1"
FOLDER = Path(__file__).parent.parent / "transcripts"
# Text first, so that a message is never finished before it is complete (protocol 3.1).
ORDER = ("author", "recipient", "channel", "content", "weight", "metadata", "status", "end_turn")


def names() -> list[str]:
    """Return the names of all transcripts."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


@functools.cache
def load(name: str) -> dict[str, Any]:
    """Return one transcript, not to be changed."""
    transcript: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    return transcript


def generations(transcript: dict[str, Any]) -> list[str]:
    """Return the stream generations that this transcript exists in."""
    both = "steps" in transcript
    return [each for each in ("v0", "v1") if both or each in transcript]


def render(
    transcript: dict[str, Any], generation: str, seed: int = 0, newline: str = "\n"
) -> list[bytes]:
    """Return the body, one piece for each step that sends anything."""
    steps = transcript.get(generation) or transcript["steps"]
    write = (V0 if generation == "v0" else V1)(random.Random(f"{generation}{seed}"))
    growth = Growth()
    pieces = [write.opening(steps)]
    for step in steps:
        if "lines" in step:
            pieces.append("\n".join([*step["lines"], ""]))
        elif "event" in step:
            pieces.append(write.object(step["event"]))
        elif "done" in step:
            pieces.append("data: [DONE]\n\n")
        else:
            pieces.append(write.message(growth.feed(step), is_whole=step.get("whole", False)))
    if transcript.get("unterminated"):
        pieces[-1] = pieces[-1].rstrip("\n")
    return [piece.replace("\n", newline).encode() for piece in pieces if piece]


@functools.cache
def rendered(name: str, generation: str, seed: int = 0, newline: str = "\n") -> tuple[bytes, ...]:
    """Return the body of a transcript with a name, made once."""
    return tuple(render(load(name), generation, seed, newline))


def dumps(value: Any, rng: random.Random) -> str:
    """Return JSON on one line, lone surrogates always escaped (they are not UTF-8)."""
    separators = rng.choice([(",", ":"), (", ", ": ")])
    if rng.random() < 0.3:
        return json.dumps(value, separators=separators)
    text = json.dumps(value, ensure_ascii=False, separators=separators)
    return re.sub("[\ud800-\udfff]", lambda half: f"\\u{ord(half[0]):04x}", text)


class V0:
    """Generation v0: whole messages (protocol 2.1)."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._is_named = rng.random() < 0.2  # some proxies name every event `message`

    def opening(self, _steps: list[dict[str, Any]]) -> str:
        return ""

    def object(self, value: dict[str, Any]) -> str:
        name = "event: message\n" if self._is_named else ""
        return f"{name}data: {dumps(value, self._rng)}\n\n"

    def message(self, message: dict[str, Any], *, is_whole: bool) -> str:
        del is_whole  # every one is
        return self.object({"message": message, "conversation_id": CONVERSATION, "error": None})


class V1:
    """Generation v1: deltas (protocol 3), in a form chosen by chance."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._has_names = rng.random() < 0.8  # some proxies strip `event:` lines
        self._channels: dict[str, int] = {}
        self._definition = Definition()

    def opening(self, steps: list[dict[str, Any]]) -> str:
        if not any("id" in step for step in steps):
            return ""
        return f'{self._name("delta_encoding")}data: "v1"\n\n'

    def _name(self, name: str) -> str:
        return f"event: {name}\n" if self._has_names else ""

    def object(self, value: dict[str, Any]) -> str:
        return f"data: {dumps(value, self._rng)}\n\n"

    def message(self, message: dict[str, Any], *, is_whole: bool) -> str:
        document = {"message": message, "conversation_id": CONVERSATION, "error": None}
        if is_whole:
            return self.object(document)
        if message["id"] not in self._channels:
            channel = self._channels[message["id"]] = len(self._channels)
            return self._send(channel, "", self._rng.choice(["add", "add", "replace"]), document)
        channel = self._channels[message["id"]]
        old = self._definition.documents[channel]
        sent = "".join(
            self._send(channel, path, operation, value)
            for path, operation, value in self._phrase(list(self._changes("", old, document)))
        )
        assert joined(self._definition.documents[channel]) == joined(document)
        return sent

    def _phrase(self, changes: list[tuple[str, str, Any]]) -> list[tuple[str, str, Any]]:
        """Return the top-level deltas that make the changes: one each, or patches."""
        changes.sort(key=lambda change: rank(change[0]))
        if len(changes) < 2 and self._rng.random() < 0.8:
            return [piece for change in changes for piece in self._pieces(*change)]
        if self._rng.random() < 0.3:
            return changes
        base = self._rng.choice(["", "/message"])
        return [("", "patch", changes)] if base == "" else [(base, "patch", changes)]

    def _pieces(self, path: str, operation: str, value: Any) -> list[tuple[str, str, Any]]:
        """Cut appended text in two now and then, also inside a surrogate pair."""
        if operation != "append" or not isinstance(value, str) or self._rng.random() < 0.5:
            return [(path, operation, value)]
        cut = 2 * self._rng.randint(0, len(units(value)) // 2)
        halves = (units(value)[:cut], units(value)[cut:])
        return [(path, "append", characters(half)) for half in halves if half]

    def _changes(self, path: str, old: Any, new: Any) -> Any:
        """Yield operations that turn one value into another."""
        if old == new:
            return
        is_text = path.endswith(("/text", "/content", "/summary")) or "/parts/" in path
        if is_text and isinstance(old, str) and isinstance(new, str):
            added = extension(old, new)
            yield (path, "replace", new) if added is None else (path, "append", added)
            return
        if isinstance(old, dict) and isinstance(new, dict) and old.keys() <= new.keys():
            yield from self._object_changes(path, old, new)
        elif isinstance(old, list) and isinstance(new, list) and len(old) <= len(new):
            yield from self._list_changes(path, old, new)
        else:
            yield path, "replace", copied(new)

    def _object_changes(self, path: str, old: dict[str, Any], new: dict[str, Any]) -> Any:
        for key, value in old.items():
            yield from self._changes(f"{path}/{escape(key)}", value, new[key])
        added = {key: copied(new[key]) for key in new if key not in old}
        if added and self._rng.random() < 0.5:
            yield path, "append", added
        else:
            for key, value in added.items():
                yield f"{path}/{escape(key)}", self._rng.choice(["add", "replace"]), value

    def _list_changes(self, path: str, old: list[Any], new: list[Any]) -> Any:
        if new[1:] == old:
            yield f"{path}/0", "add", copied(new[0])
            return
        for index, value in enumerate(old):
            yield from self._changes(f"{path}/{index}", value, new[index])
        added = copied(new[len(old) :])
        if added and self._rng.random() < 0.5:
            alone = len(added) == 1 and not isinstance(added[0], list) and self._rng.random() < 0.5
            yield path, "append", added[0] if alone else added
        else:
            for index, value in enumerate(added, len(old)):
                yield f"{path}/{index}", "add", value

    def _send(self, channel: int, path: str, operation: str, value: Any) -> str:
        if operation == "patch":
            value = [nested(path, *change) for change in value]
        delta = {"p": path, "o": operation, "v": value, "c": channel}
        for key in ("p", "o", "c"):
            if delta[key] == self._definition.sticky[key] and self._rng.random() < 0.8:
                del delta[key]
        keys = list(delta)
        if self._rng.random() < 0.2:
            self._rng.shuffle(keys)
        delta = {key: delta[key] for key in keys}
        self._definition.apply(delta)
        padding = " " * self._rng.choice([0, 0, 0, 7])
        return f"{self._name('delta')}data: {dumps(delta, self._rng)}{padding}\n\n"


def rank(path: str) -> int:
    """Return where a change belongs in the order in which the upstream makes them."""
    field = path.split("/")[2] if path.count("/") > 1 else ""
    return ORDER.index(field) if field in ORDER else 0


def nested(base: str, path: str, operation: str, value: Any) -> dict[str, Any]:
    """Return an operation of a patch, its path relative to the patch's."""
    return {"p": path.removeprefix(base), "o": operation, "v": value}


def units(text: str) -> bytes:
    """Return text as UTF-16, in which the upstream counts and cuts."""
    return text.encode("utf-16-le", "surrogatepass")


def characters(half: bytes) -> str:
    """Return the text of UTF-16 units, which may begin or end with half a pair."""
    return half.decode("utf-16-le", "surrogatepass")


def extension(old: str, new: str) -> str | None:
    """Return what was added to a text, or None if it was rewritten."""
    if not units(new).startswith(units(old)):
        return None
    return characters(units(new)[len(units(old)) :])


def escape(key: str) -> str:
    """Return a key as a path segment (protocol 3.5)."""
    return key.replace("~", "~0").replace("/", "~1")


def joined(value: Any) -> str:
    """Return a value in a form that is equal for equal documents."""
    return whole(json.dumps(value, sort_keys=True, ensure_ascii=False))
