"""Writes a replay as lines for people, or as one JSON object for programs."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from service.recordings.replay import Replay
from service.vocabulary.events import Frame

_MAX_SHOWN_CHARS = 160
_MAX_ERROR_CHARS = 600
# Characters that a terminal would interpret or not show, such as the marks of citations.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ue000-\uf8ff]")
_CONTROL_BUT_LINES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ue000-\uf8ff]")
_HIDDEN = "token"  # the field of records that hold the credential of a resume


def as_json(told: Replay) -> bytes:
    """Return the whole replay as one JSON object."""
    tree = {
        "steps": [
            {
                "frames": [_frame_tree(frame) for frame in step.frames],
                "events": [_tree(each) for each in step.events],
                "deltas": [_tree(each) for each in step.deltas],
                "rendered": [_tree(each) for each in step.rendered],
            }
            for step in told.steps
        ],
        **_summary(told),
    }
    return msgspec.json.format(_encoded(tree), indent=1) + b"\n"


def as_text(told: Replay) -> str:
    """Return the replay as lines: each frame, and below it what it produced."""
    lines: list[str] = []
    number = 0
    for step in told.steps:
        for frame in step.frames:
            number += 1
            name = "stray line" if frame.stray else frame.name or "(unnamed)"
            lines.append(f"{number:>5} {name}  {_shown(frame.data.decode('utf-8', 'replace'))}")
        lines += [f"      event     {_record(each)}" for each in step.events]
        lines += [f"      delta     {_record(each)}" for each in step.deltas]
        lines += [f"      rendered  {_record(each)}" for each in step.rendered]
    return "\n".join([*lines, "", *_summary_lines(told), ""])


def _summary(told: Replay) -> dict[str, Any]:
    ended = told.ended
    return {
        "kinds": told.kinds,
        "unknown": ended.counts,
        "samples": ended.samples,
        "outcome": ended.outcome,
        "finish_reason": ended.finish_reason,
        "elsewhere": told.elsewhere or None,
        "failure": None if ended.failure is None else _tree(ended.failure),
        "facts": _tree(told.facts),
        "content": told.content,
        "reasoning": told.reasoning,
    }


def _summary_lines(told: Replay) -> list[str]:
    ended = told.ended
    frames = sum(len(step.frames) for step in told.steps)
    lines = [f"{frames} frames"]
    lines += [f"{border:<9} {_counted(kinds)}" for border, kinds in told.kinds.items()]
    lines.append(f"unknown   {_counted(ended.counts)}")
    lines.append(f"outcome   {ended.outcome}, finish_reason {ended.finish_reason or 'none'}")
    if told.elsewhere:
        lines.append(
            f"elsewhere the turn goes on in {told.elsewhere}, which is not in this capture"
        )
    if ended.failure is not None:
        failure = ended.failure
        lines.append(
            f"error     {failure.status} {failure.code}: {_shown(failure.message, _MAX_ERROR_CHARS)}"
        )
    if told.reasoning:
        lines += [f"reasoning {len(told.reasoning)} characters", _escaped_lines(told.reasoning)]
    return [*lines, f"content   {len(told.content)} characters", _escaped_lines(told.content)]


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{kind} {times}" for kind, times in counts.items()) or "nothing"


def _record(record: Struct) -> str:
    fields = {
        name: value
        for name in record.__struct_fields__
        if name != _HIDDEN and (value := getattr(record, name)) not in (None, "", (), {}, [])
    }
    shown = " ".join(f"{name}={_field(value)}" for name, value in fields.items())
    return f"{type(record).__name__} {shown}".rstrip()


def _field(value: Any) -> str:
    if isinstance(value, Struct):
        value = _tree(value)
    return _shown(value if isinstance(value, str) else _encoded(value).decode())


def _shown(text: str, limit: int = _MAX_SHOWN_CHARS) -> str:
    """Return text on one line, shortened to its beginning."""
    text = _CONTROL.sub(_escape, _printable(text))
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)})"


def _escaped_lines(text: str) -> str:
    return _CONTROL_BUT_LINES.sub(_escape, _printable(text))


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


def _printable(text: str) -> str:
    """Return text that can be written; a lone surrogate becomes a mark."""
    return text.encode("utf-8", "replace").decode()


def _tree(record: Struct) -> dict[str, Any]:
    fields = msgspec.structs.asdict(record)
    fields.pop(_HIDDEN, None)
    return {"record": type(record).__name__, **fields}


def _frame_tree(frame: Frame) -> dict[str, Any]:
    data = frame.data.decode("utf-8", "replace")
    return {"name": frame.name, "data": data, "stray": frame.stray}


def _encoded(value: Any) -> bytes:
    return msgspec.json.encode(_clean(value))


def _clean(value: Any) -> Any:
    """Return a value that JSON can carry; lone surrogates in its texts become marks."""
    match value:
        case str():
            return _printable(value)
        case Struct():
            return _clean(_tree(value))
        case dict():
            return {_printable(str(key)): _clean(each) for key, each in value.items()}
        case list() | tuple() | frozenset():
            return [_clean(each) for each in value]
        case _:
            return value
