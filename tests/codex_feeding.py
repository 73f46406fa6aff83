"""Bytes of a Codex turn in, its meaning out, through the real stages.

body(events)        the bytes of a stream deltas(chunks)      the deltas that the stages make of
them meaning(deltas)     the same, in the form of `tests/oracle/codex.py`, and what only deltas
                    have: `error` [status, code], `model`, `limits`, `counts`
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from service.stages.codex.answer import CodexAnswer
from service.stages.codex.events import ReadCodex
from service.vocabulary.events import (
    AnswerText,
    BodyEnd,
    BodyEnded,
    Delta,
    FunctionArguments,
    FunctionCallStarted,
    ReasoningText,
    TurnEnded,
    TurnFacts,
)
from service.vocabulary.native import (
    FunctionCallEnded,
    LimitsKnown,
    MessageEnded,
    MessageStarted,
    PictureFailed,
    PictureMade,
    PicturePreview,
    PictureStarted,
    PictureStep,
    ReasoningEnded,
    ReasoningPart,
    ReasoningStarted,
    RefusalText,
    TextAnnotated,
    ToolItemEnded,
    ToolItemStarted,
    ToolItemStep,
    UsageKnown,
)

NOW = 1_738_880_000.0
SECRET = "a-secret-token"


def body(events: Iterable[dict[str, Any]], newline: str = "\n", *, is_named: bool = True) -> bytes:
    """Return the events as the back end sends them, numbered, with `event:` lines or without."""
    lines = []
    for number, event in enumerate(events):
        data = json.dumps({**event, "sequence_number": number}, ensure_ascii=False)
        name = [f"event: {event['type']}"] if is_named and "type" in event else []
        lines += [*name, f"data: {data}", ""]
    return "".join(f"{line}{newline}" for line in lines).encode("utf-8", "surrogatepass")


def deltas(
    chunks: Iterable[bytes], end: BodyEnd = BodyEnd.CLEAN, names: dict[str, str] | None = None
) -> Iterator[Delta]:
    """Yield the deltas of a body that arrives in these chunks."""
    reader, answer = ReadCodex([SECRET]), CodexAnswer(NOW, names=names, secrets=[SECRET])
    for chunk in chunks:
        for event in reader.feed(chunk):
            yield from answer.feed(event)
    for event in reader.end(BodyEnded(end)):
        yield from answer.feed(event)


# One branch for each kind of delta: a table.
def meaning(produced: Iterable[Delta]) -> dict[str, Any]:  # noqa: C901, PLR0912, PLR0915 - see above
    """Return the meaning of these deltas, asserting that their order is valid."""
    items: list[dict[str, Any]] = []
    found: dict[str, Any] = {"items": items}
    speaking: dict[str, Any] | None = None
    calls: dict[int, dict[str, Any]] = {}
    tools: dict[int, dict[str, Any]] = {}
    pictures: dict[int, dict[str, Any]] = {}
    for delta in produced:
        assert "end" not in found, "something comes after the end"
        match delta:
            case MessageStarted(phase):
                assert speaking is None
                speaking = {"message": "", "phase": phase, "refusal": "", "cited": []}
                items.append(speaking)
            case AnswerText(text):
                assert text
                speaking["message"] += text
            case RefusalText(text):
                assert text
                speaking["refusal"] += text
            case TextAnnotated(start, stop, url, title):
                speaking["cited"].append([start, stop, url, title])
            case ReasoningStarted():
                assert speaking is None
                speaking = {"reasoning": [], "sealed": ""}
                items.append(speaking)
            case ReasoningPart(is_summary):
                speaking["reasoning"].append([is_summary, ""])
            case ReasoningText(text):
                assert text
                speaking["reasoning"][-1][1] += text
            case MessageEnded(phase):
                assert "message" in speaking
                assert speaking["phase"] in ("", phase)
                speaking["phase"] = phase
                speaking = None
            case ReasoningEnded(sealed):
                speaking["sealed"] = sealed
                speaking = None
            case FunctionCallStarted(index, call_id, name):
                assert index == len(calls)
                calls[index] = {
                    "call": name,
                    "id": call_id,
                    "arguments": "",
                    "namespace": delta.namespace,
                    "custom": delta.is_custom,
                }
                items.append(calls[index])
            case FunctionArguments(index, text):
                assert text
                assert "done" not in calls[index]
                calls[index]["arguments"] += text
            case FunctionCallEnded(index):
                calls[index]["done"] = True
            case ToolItemStarted(number, item):
                assert number == len(tools)
                tools[number] = {"tool": item, "steps": []}
                items.append(tools[number])
            case ToolItemStep(number, step):
                tools[number]["steps"].append(step)
            case ToolItemEnded(number, item):
                tools[number]["tool"] = item
            case PictureStarted(number):
                assert number == len(pictures)
                pictures[number] = {"picture": None, "previews": [], "steps": []}
                items.append(pictures[number])
            case PictureStep(number, step):
                pictures[number]["steps"].append(step)
            case PicturePreview(number, index, content):
                pictures[number]["previews"].append([index, content])
            case PictureMade(facts, content, prompt):
                made = {"picture": content, "prompt": prompt, "details": facts.details}
                pictures[facts.number] |= made
            case PictureFailed():
                pass
            case UsageKnown():
                found["usage"] = [
                    *(delta.prompt_tokens, delta.cached_tokens),
                    *(delta.completion_tokens, delta.reasoning_tokens),
                ]
            case TurnFacts():
                found["model"] = delta.upstream_model
            case LimitsKnown():
                found.setdefault("limits", []).append(delta)
            case TurnEnded():
                # Where it broke off, its last items have no end.
                is_whole = delta.finish_reason in ("stop", "tool_calls")
                assert speaking is None or not is_whole
                found["end"] = [delta.outcome.value, delta.finish_reason]
                assert (delta.failure is None) == (delta.finish_reason is not None)
                if delta.failure is not None:
                    found["error"] = [delta.failure.status, delta.failure.code]
                    found["failure"] = delta.failure
                if delta.counts:
                    found["counts"] = delta.counts
            case _:
                raise AssertionError(delta)
    assert "end" in found, "no end"
    ended = [call.pop("done", False) for call in calls.values()]
    assert all(ended) or not is_whole, "a call without an end"
    for item in items:
        item.get("cited", []).sort()
    kept = ("message", "reasoning", "arguments", "picture", "tool")
    found["items"] = [
        {key: value for key, value in item.items() if value or key in kept}
        | ({"steps": item["steps"]} if "tool" in item else {})
        for item in items
    ]
    return found
