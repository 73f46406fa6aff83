"""A response's input as it is kept and listed: each item with all keys of the published schema."""

from typing import Any

# The prefix of an item's id, by its kind; `item` for all others.
_PREFIXES = {
    "message": "msg",
    "function_call": "fc",
    "function_call_output": "fco",
    "custom_tool_call": "ctc",
    "custom_tool_call_output": "ctco",
    "tool_search_call": "tsc",
    "tool_search_output": "tso",
    "compaction": "cmp",
}
# Keys that callers may leave out of a part, by its kind.
_OF_PARTS: dict[str, dict[str, Any]] = {
    "input_image": {"image_url": None, "detail": "auto"},
    "output_text": {"annotations": []},
}


def input_items(given: str | list[dict[str, Any]], stem: str) -> list[dict[str, Any]]:
    """Return the input as a list of items, each with an id, a type and a status.

    Args:
        given: the field `input`.
        stem: the base of ids for items without one.
    """
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    return [_listed(item, f"{stem}i{at:02d}") for at, item in enumerate(items)]


def _listed(item: dict[str, Any], item_id: str) -> dict[str, Any]:
    kind = "message" if item.get("type") is None else str(item["type"])
    prefix = _PREFIXES.get(kind, "item")
    listed = {"id": f"{prefix}_{item_id}", "status": "completed", **_without_nulls(item)}
    if kind == "message":
        is_said = item.get("role") == "assistant"
        content = item.get("content")
        if isinstance(content, str):
            content = [{"type": "output_text" if is_said else "input_text", "text": content}]
        given = {"content": _parts(content)} if "content" in item else {}
        return {**listed, "type": "message", **given}
    if "output" in listed:
        listed["output"] = _parts(listed["output"])
    return listed


def _without_nulls(item: dict[str, Any]) -> dict[str, Any]:
    is_named = isinstance(item.get("id"), str) and item["id"]
    empty = {} if is_named else {"id": None}
    return {name: value for name, value in (item | empty).items() if value is not None}


def _parts(content: Any) -> Any:
    """Return parts with all their keys; anything but a list of parts is returned unchanged."""
    if not isinstance(content, list):
        return content
    return [_part(part) if isinstance(part, dict) else part for part in content]


def _part(part: dict[str, Any]) -> dict[str, Any]:
    missing = _OF_PARTS.get(str(part.get("type")), {})
    return part | {name: value for name, value in missing.items() if part.get(name) is None}
