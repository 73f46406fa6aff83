"""A body that the validator let pass, read into what the scenes need."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import orjson

from upstream.demo.codex.accounts import Caller, unseal
from upstream.demo.ground.words import Commands, has_steps, is_chinese, plain_text, read_commands

_WORD = re.compile(r"[\u4e00-\u9fff]|[^\W_\u4e00-\u9fff]+")
_FOUND = "tool_search_output"
_TOOL_KINDS = {"function", "custom", "local_shell"}


class Tool(msgspec.Struct, frozen=True):
    """A tool of the caller's."""

    kind: str
    """`function`, `custom` or `local_shell`."""
    name: str
    namespace: str = ""
    schema: dict[str, Any] = {}


class Talk(msgspec.Struct, frozen=True, kw_only=True):
    """One turn as it was asked."""

    caller: Caller
    model: str
    text: str
    """The last user message, without commands to the demo."""
    said: tuple[tuple[str, str], ...]
    """Role and text of all messages; instructions are of role `system`."""
    results: tuple[str, ...] = ()
    """Outputs of calls since the last user message."""
    has_found: bool = False
    """Whether the last of them has tools that were searched for."""
    sent: tuple[str, ...] = ()
    """The pictures and files of the last user message, each in some words."""
    tools: tuple[Tool, ...] = ()
    built_in: frozenset[str] = frozenset()
    """Types of the back end's own tools that are offered."""
    choice: str = "auto"
    """`none`, `auto`, `required`, or the name or type of a tool."""
    may_call_several: bool = True
    schema: dict[str, Any] | None = None
    """Of the JSON that the answer has to be; None: words."""
    wants_summary: bool = False
    wants_encrypted: bool = False
    effort: str = "medium"
    picture: dict[str, Any] = {}
    """The tool `image_generation` as it was offered."""
    commands: Commands = Commands()

    def words(self, english: str, chinese: str) -> str:
        """Return the one in the language of the question."""
        return chinese if is_chinese(self.text) else english


def read_talk(body: dict[str, Any], caller: Caller) -> Talk:
    """Return the typed turn."""
    items: list[dict[str, Any]] = body["input"]
    users = [place for place, item in enumerate(items) if item.get("role") == "user"]
    # Programs put reminders behind a question; one with steps is followed all the same.
    asked = (place for place in reversed(users) if has_steps(message_text(items[place])))
    last = next(asked, users[-1] if users else -1)
    raw = message_text(items[last]) if users else ""
    offered = {one["type"]: one for one in offered_tools(body)}
    reasoning = body.get("reasoning") or {}
    return Talk(
        caller=caller,
        model=body["model"],
        text=plain_text(raw),
        said=tuple(_said(body, caller)),
        results=tuple(_results(items[last + 1 :])),
        has_found=bool(items) and items[-1].get("type") == _FOUND,
        sent=tuple(_sent(items[last])) if users else (),
        tools=tuple(_tools(offered_tools(body))),
        built_in=frozenset(offered) - _TOOL_KINDS - {"namespace"},
        choice=_choice(body.get("tool_choice")),
        may_call_several=body.get("parallel_tool_calls") is not False,
        schema=_schema((body.get("text") or {}).get("format") or {}),
        wants_summary=bool(reasoning.get("summary")),
        wants_encrypted="reasoning.encrypted_content" in (body.get("include") or ()),
        effort=reasoning.get("effort") or "medium",
        picture=offered.get("image_generation", {}),
        commands=read_commands(raw),
    )


def offered_tools(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the tools of a body, and those of its items that were added or found later."""
    yield from body.get("tools") or ()
    for item in body.get("input") or ():
        if item.get("type") in ("additional_tools", _FOUND):
            yield from item.get("tools") or ()


def message_text(item: dict[str, Any]) -> str:
    """Return the text of a message or of a call's output."""
    content = item.get("content", item.get("output"))
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(str(part.get("text") or part.get("refusal") or "") for part in parts).strip()


def count_words(value: object) -> int:
    """Count the words of a text or of a value's JSON, as a stand-in for tokens."""
    return len(_WORD.findall(value if isinstance(value, str) else orjson.dumps(value).decode()))


def _said(body: dict[str, Any], caller: Caller) -> Iterator[tuple[str, str]]:
    if body.get("instructions"):
        yield "system", str(body["instructions"])
    for item in body["input"]:
        if item.get("type", "message") == "message":
            role = "system" if item["role"] == "developer" else item["role"]
            yield role, plain_text(message_text(item))
        elif item["type"] == "compaction":
            yield "system", unseal(caller.account_id, item["encrypted_content"]) or ""


def _results(items: list[dict[str, Any]]) -> Iterator[str]:
    return (message_text(item) for item in items if str(item.get("type")).endswith("_output"))


def _sent(item: dict[str, Any]) -> Iterator[str]:
    for part in item["content"] if isinstance(item.get("content"), list) else ():
        data = str(part.get("image_url") or part.get("file_data") or "")
        head, _, payload = data.partition(",")
        kind = head.removeprefix("data:").partition(";")[0]
        size = len(payload) * 3 // 4 - payload[-2:].count("=")
        if part["type"] == "input_image":
            yield f"{kind or 'image'} ({size} bytes)" if payload else data
        elif part["type"] == "input_file":
            yield f"{part.get('filename') or part.get('file_id')} ({kind}, {size} bytes)"


def _tools(offered: Iterator[dict[str, Any]], namespace: str = "") -> Iterator[Tool]:
    for tool in offered:
        kind = tool["type"]
        if kind == "namespace":
            yield from _tools(iter(tool.get("tools") or ()), tool["name"])
        elif kind in _TOOL_KINDS:
            schema = tool.get("parameters") or {}
            yield Tool(kind, str(tool.get("name") or kind), namespace, schema)


def _choice(choice: Any) -> str:
    if isinstance(choice, dict):
        return str(choice.get("name") or choice.get("mode") or choice.get("type"))
    return str(choice or "auto")


def _schema(wanted: dict[str, Any]) -> dict[str, Any] | None:
    if wanted.get("type") == "json_schema":
        return wanted.get("schema") or {}
    if wanted.get("type") == "json_object":
        return {"type": "object", "properties": {"answer": {"type": "string"}}}
    return None
