"""The messages of a transcript as they grow (the form is told in `render.py`)."""

from typing import Any

from tests.oracle.delta_v1 import copied, whole


class Growth:
    """Messages as they grow.

    A step names a message by `id` and says what is new. `text` and `parts` are
    its text, `more` is added to it; `code` (with `language`), `output` and
    `content` make other kinds; `metadata` is merged; `finish` closes it with
    `end_turn` true, `status` and `end_turn` say so in detail. `absent` names
    keys that the upstream leaves out.
    """

    def __init__(self) -> None:
        self._messages: dict[str, dict[str, Any]] = {}

    def feed(self, step: dict[str, Any]) -> dict[str, Any]:
        """Return the complete message after this step."""
        old = self._messages.get(step["id"]) or fresh(step["id"])
        new = copied(old)
        new["author"]["role"] = step.get("role", new["author"]["role"])
        new["author"]["name"] = step.get("name", new["author"]["name"])
        new["metadata"].update(copied(step.get("metadata", {})))
        for key in ("status", "end_turn", "recipient", "channel", "weight"):
            if key in step:
                new[key] = step[key]
        if step.get("finish"):
            new.update(status="finished_successfully", end_turn=True)
        new["content"] = content(step, new["content"])
        for key in step.get("absent", ()):
            del new[key]
        self._messages[step["id"]] = new
        return copied(new)

    def finals(self) -> list[dict[str, Any]]:
        """Return every message as it is now, in order of first appearance."""
        return list(self._messages.values())


def fresh(message_id: str) -> dict[str, Any]:
    """Return a message before anything is known of it (protocol 2.2)."""
    return {
        "id": message_id,
        "author": {"role": "assistant", "name": None, "metadata": {}},
        "create_time": None,
        "update_time": None,
        "content": {"content_type": "text", "parts": [""]},
        "status": "in_progress",
        "end_turn": None,
        "weight": 1.0,
        "metadata": {},
        "recipient": "all",
        "channel": None,
    }


def content(step: dict[str, Any], old: dict[str, Any]) -> dict[str, Any]:
    """Return the content object after a step (protocol 2.3)."""
    makers = {
        "content": copied,
        "text": lambda text: {"content_type": "text", "parts": [text]},
        "parts": of_parts,
        "output": lambda text: {"content_type": "execution_output", "text": text},
        "code": lambda text: {
            "content_type": "code",
            "language": step.get("language", "unknown"),
            "response_format_name": None,
            "text": text,
        },
        "more": lambda text: longer(old, text),
    }
    for key, make in makers.items():
        if key in step:
            return make(step[key])
    return old


def of_parts(parts: list[Any]) -> dict[str, Any]:
    """Return content made of strings and pointer objects."""
    has_objects = any(isinstance(part, dict) for part in parts)
    kind = "multimodal_text" if has_objects else "text"
    return {"content_type": kind, "parts": copied(parts)}


def longer(old: dict[str, Any], more: str) -> dict[str, Any]:
    """Return content whose text, or last part, has grown."""
    if "text" in old:
        return {**old, "text": whole(old["text"] + more)}
    *before, last = old["parts"]
    return {**old, "parts": [*before, whole(last + more)]}
