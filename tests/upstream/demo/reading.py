"""A reader of demo streams that shares nothing with the demo or the gateway."""

import json
from dataclasses import dataclass, field
from typing import Any

BEARER = {"Authorization": "Bearer fk-tests"}


@dataclass
class Stream:
    """What a whole body said."""

    events: list[tuple[str, Any]] = field(default_factory=list)
    messages: dict[str, dict[str, Any]] = field(default_factory=dict)
    is_done: bool = False
    is_v1: bool = False
    junk: int = 0
    pings: int = 0

    def typed(self, kind: str) -> list[dict[str, Any]]:
        return [one for _, one in self.events if isinstance(one, dict) and one.get("type") == kind]

    def answers(self) -> list[dict[str, Any]]:
        sent = {one["input_message"]["id"] for one in self.typed("input_message")}
        return [
            one
            for one in self.messages.values()
            if one["author"]["role"] == "assistant"
            and one["recipient"] in (None, "all")
            and one["channel"] in (None, "final")
            and one["content"]["content_type"] in ("text", "multimodal_text")
            and not one["metadata"].get("is_visually_hidden_from_conversation")
            and one["metadata"].get("message_type")
            and one["id"] not in sent
        ]

    @property
    def text(self) -> str:
        return "\n\n".join(fused(one["content"]["parts"][0]) for one in self.answers())

    def by(self, role: str, name: str | None = None) -> list[dict[str, Any]]:
        return [
            one
            for one in self.messages.values()
            if one["author"]["role"] == role and (name is None or one["author"]["name"] == name)
        ]


def fused(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def read(body: bytes) -> Stream:
    """Read a body: blocks, names, data; deltas into documents as protocol 3.4 says."""
    stream = Stream()
    sticky: dict[str, Any] = {"c": 0, "p": "", "o": "add"}
    documents: dict[int, Any] = {}
    for block in body.replace(b"\r\n", b"\n").split(b"\n\n"):
        lines = block.split(b"\n")
        name = b"".join(line[7:] for line in lines if line.startswith(b"event: ")).decode()
        data = b"\n".join(line[6:] for line in lines if line.startswith(b"data: "))
        if data == b"[DONE]":
            stream.is_done = True
        elif name == "ping":
            stream.pings += 1
        elif data:
            _take(stream, sticky, documents, (name, data))
    return stream


def _take(stream: Stream, sticky: dict, documents: dict, block: tuple[str, bytes]) -> None:
    name, data = block
    try:
        decoded = json.loads(data)
    except ValueError:
        stream.junk += 1
        return
    stream.events.append((name, decoded))
    if name == "delta_encoding":
        stream.is_v1 = decoded == "v1"
    elif name == "delta":
        sticky.update({key: decoded[key] for key in "cpo" if key in decoded})
        channel = sticky["c"]
        documents[channel] = _apply(
            documents.get(channel), sticky["p"], sticky["o"], decoded.get("v")
        )
        message = documents[channel]["message"]
        stream.messages[message["id"]] = message
    elif isinstance(decoded, dict) and decoded.get("message"):
        stream.messages[decoded["message"]["id"]] = decoded["message"]


def _apply(root: Any, path: str, operation: str, value: Any) -> Any:
    if operation == "patch":
        holder = {"root": root}
        keys = ["root", *_keys(path)]
        target = holder
        for key in keys[:-1]:
            target = target[key]
        for one in value:
            target[keys[-1]] = _apply(target[keys[-1]], one.get("p", ""), one["o"], one["v"])
        return holder["root"]
    keys = _keys(path)
    if not keys:
        assert operation in ("add", "replace")
        return value
    parent = root
    for key in keys[:-1]:
        parent = parent[key]
    last = keys[-1]
    if operation == "append":
        old = parent.get(last) if isinstance(parent, dict) else parent[last]
        parent[last] = {**old, **value} if isinstance(old, dict) else old + value
    elif operation == "add" and isinstance(parent, list):
        parent.insert(last, value)
    else:
        assert operation in ("add", "replace")
        parent[last] = value
    return root


def _keys(path: str) -> list[str | int]:
    return [int(key) if key.isdigit() else key for key in path.split("/")[1:]]
