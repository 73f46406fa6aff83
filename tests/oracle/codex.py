"""What a turn of Codex's back end means, read plainly from the complete list of its events (codex 3).

Slow and plain on purpose; nothing here is shared with `service/stages/codex/`. Every event names
its item by `output_index`, and parts of a text come one after the other.

    items    {"message": text, "phase", "refusal", "cited"}   empty keys left out
             {"reasoning": [[is_summary, text], …], "sealed"}
             {"call": name, "id", "arguments", "namespace", "custom"}
             {"tool": item, "steps"}
             {"picture": base64, "prompt", "details", "previews", "steps"}
    end      [outcome, finish reason], or [outcome, None] of a failure
    usage    [prompt, cached, answer, reasoning]
"""

from typing import Any

Meaning = dict[str, Any]
TOOL_STEPS = ("in_progress", "searching", "completed", "generating", "interpreting", "failed")


def meaning(events: list[dict[str, Any]]) -> Meaning:
    """Return what these events say, the last of which may be the end of the turn."""
    items: dict[int, list[dict[str, Any]]] = {}
    last: dict[str, Any] = {}
    for event in events:
        if event["type"] in ("response.completed", "response.incomplete", "response.done"):
            last = event["response"]
            for index, item in enumerate(last.get("output", [])):
                is_whole = any(one["type"].endswith("item.done") for one in items.get(index, []))
                if not is_whole:
                    whole = {"type": "response.output_item.done", "item": item}
                    items.setdefault(index, []).append(whole)
        elif "output_index" in event:
            items.setdefault(event["output_index"], []).append(event)
    told = [item_meaning(own) for own in items.values()]
    found: Meaning = {"items": told, "end": _end(events[-1] if events else {}, told)}
    if "usage" in last:
        usage = last["usage"]
        found["usage"] = [
            usage["input_tokens"],
            usage.get("input_tokens_details", {}).get("cached_tokens", 0),
            usage["output_tokens"],
            usage.get("output_tokens_details", {}).get("reasoning_tokens", 0),
        ]
    return found


def _end(last: dict[str, Any], items: list[dict[str, Any]]) -> list[str | None]:
    kind = last.get("type")
    if kind not in ("response.incomplete", "response.completed", "response.done"):
        return ["cut", None]
    reason = last["response"].get("incomplete_details", {}).get("reason")
    if reason == "content_filter":
        return ["filtered", "content_filter"]
    has_content = any(
        item.get("message") or "refusal" in item or {"call", "tool", "picture"} & item.keys()
        for item in items
    )
    if not has_content:
        return ["empty", None]
    if reason is not None:
        return ["length", "length"]
    return ["complete", "tool_calls" if any("call" in item for item in items) else "stop"]


def item_meaning(events: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what the events of one item say; nothing after its `done` counts."""
    kinds = [event["type"] for event in events]
    ends = "response.output_item.done"
    done = events[kinds.index(ends)]["item"] if ends in kinds else {}
    own = events[: kinds.index(ends)] if ends in kinds else events
    begins = "response.output_item.added"
    item = next((event["item"] for event in own if event["type"] == begins), {})
    before = [event for event in own if event["type"] != begins]
    kind = done.get("type") or item.get("type") or _kind_of(before[0]["type"])
    if kind == "message":
        return _message(item, before, done)
    if kind == "reasoning":
        return _reasoning(before, done)
    if kind in ("function_call", "custom_tool_call"):
        return _call(kind, item, before, done)
    if kind == "image_generation_call":
        return _picture(before, done)
    whole = {key: value for key, value in (done or item).items() if key != "id"}
    return {"tool": whole, "steps": _steps(before)}


def _kind_of(event_type: str) -> str:
    if "function_call" in event_type:
        return "function_call"
    if "custom_tool" in event_type:
        return "custom_tool_call"
    return "reasoning" if "reasoning" in event_type else "message"


def whole_text(deltas: list[str], told: str | None) -> str:
    """Return a text that came in pieces and then whole: nothing that went out is withdrawn."""
    sent = "".join(deltas)
    if told is None or sent.startswith(told):
        return sent
    same = 0
    while same < min(len(sent), len(told)) and sent[same] == told[same]:
        same += 1
    return sent + told[same:]


def _message(
    item: dict[str, Any], before: list[dict[str, Any]], done: dict[str, Any]
) -> dict[str, Any]:
    content = done.get("content", [])
    parts = sorted({event.get("content_index", 0) for event in before} | set(range(len(content))))
    text, refusal, cited = "", "", []
    for index in parts:
        own = [event for event in before if event.get("content_index", 0) == index]
        part = content[index] if index < len(content) else {}
        place = len(text)
        said = [one["delta"] for one in own if one["type"] == "response.output_text.delta"]
        told = next((one["text"] for one in own if one["type"].endswith("output_text.done")), None)
        text += whole_text(said, part.get("text", told))
        denied = [one["delta"] for one in own if one["type"] == "response.refusal.delta"]
        refusal += whole_text(denied, part.get("refusal"))
        notes = [one["annotation"] for one in own if "annotation" in one]
        for note in notes + part.get("annotations", []):
            span = [note["start_index"] + place, note["end_index"] + place]
            entry = [*span, note["url"], note["title"]]
            if entry not in cited:
                cited.append(entry)
    phase = item.get("phase") or done.get("phase") or ""
    found = {"message": text, "phase": phase, "refusal": refusal, "cited": sorted(cited)}
    return {key: value for key, value in found.items() if value or key == "message"}


def _reasoning(before: list[dict[str, Any]], done: dict[str, Any]) -> dict[str, Any]:
    parts: list[list[Any]] = []
    for kind, index_name, field in (
        ("reasoning_summary_text", "summary_index", "summary"),
        ("reasoning_text", "content_index", "content"),
    ):
        own = [event for event in before if event["type"] == f"response.{kind}.delta"]
        whole = done.get(field, [])
        for index in sorted({one.get(index_name, 0) for one in own} | set(range(len(whole)))):
            said = [one["delta"] for one in own if one.get(index_name, 0) == index]
            told = whole[index]["text"] if index < len(whole) else None
            if text := whole_text(said, told):
                parts.append([field == "summary", text])
    found = {"reasoning": parts, "sealed": done.get("encrypted_content", "")}
    return {key: value for key, value in found.items() if value or key == "reasoning"}


def _call(
    kind: str, item: dict[str, Any], before: list[dict[str, Any]], done: dict[str, Any]
) -> dict[str, Any]:
    known = {**done, **item}
    is_custom = kind == "custom_tool_call"
    told = done.get("input" if is_custom else "arguments")
    said = [event["delta"] for event in before if event["type"].endswith(".delta")]
    found = {
        "call": known["name"],
        "id": known["call_id"],
        "arguments": whole_text(said, told),
        "namespace": known.get("namespace", ""),
        "custom": is_custom,
    }
    return {key: value for key, value in found.items() if value or key == "arguments"}


def _steps(before: list[dict[str, Any]]) -> list[str]:
    return [step for event in before if (step := event["type"].rpartition(".")[2]) in TOOL_STEPS]


def _picture(before: list[dict[str, Any]], done: dict[str, Any]) -> dict[str, Any]:
    names = ("size", "quality", "background", "output_format")
    found = {
        "picture": done.get("result") or None,
        "prompt": done.get("revised_prompt", ""),
        "details": {name: done[name] for name in names if name in done},
        "previews": [
            [event["partial_image_index"], event["partial_image_b64"]]
            for event in before
            if event["type"].endswith("partial_image")
        ],
        "steps": _steps(before),
    }
    if found["picture"] is None:
        found |= {"prompt": "", "details": {}}
    return {key: value for key, value in found.items() if value or key == "picture"}
