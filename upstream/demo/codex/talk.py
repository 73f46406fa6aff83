"""A body that the validator let pass, read into what the scenes need.

`/scene NAME` and `/fault NAME [NUMBERS]` in the last user message choose what is played, as on
the website's demo; a name may have a variant behind a colon: `/fault failed:slow_down`.
"""

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import orjson

from upstream.demo.codex.accounts import Caller, unseal

MAX_NUMBERS = 4
_COMMAND = re.compile(
    r"/(?P<kind>scene|fault)\s+(?P<once>once:)?(?P<name>[A-Za-z0-9][\w-]*)(?::(?P<variant>\w+))?"
    r"(?P<numbers>(?:[ \t]+\d{1,9}(?:\.\d{1,9})?(?![\w.]))*)"
)
_MARK = re.compile(r"/mark\s+(?P<name>[A-Za-z0-9_-]{1,64})")
_CHINESE = re.compile(r"[\u4e00-\u9fff]")


class Command(msgspec.Struct, frozen=True):
    """What a caller asks the demo to play."""

    name: str = ""
    variant: str = ""
    numbers: tuple[float, ...] = ()
    is_once: bool = False

    def number(self, default: float) -> float:
        """Return the first number, or a default."""
        return self.numbers[0] if self.numbers else default


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
    scene: Command = Command()
    fault: Command = Command()
    mark: str = ""

    def words(self, english: str, chinese: str) -> str:
        """Return the one in the language of the question."""
        return chinese if _CHINESE.search(self.text) else english


def read_talk(body: dict[str, Any], caller: Caller) -> Talk:
    """Return the typed turn."""
    items: list[dict[str, Any]] = body["input"]
    said = list(_said(body, caller))
    last = _last_user_item(items)
    raw = message_text(items[last]) if last >= 0 else ""
    offered = list(offered_tools(body))
    told = {one["type"]: one for one in offered}
    reasoning = body.get("reasoning") or {}
    commands = {found["kind"]: _command(found) for found in _COMMAND.finditer(raw)}
    mark = _MARK.search(raw)
    return Talk(
        caller=caller,
        model=body["model"],
        text=plain_text(raw),
        said=tuple(said),
        results=tuple(_results(items[last + 1 :])),
        sent=tuple(_sent(items[last])) if last >= 0 else (),
        tools=tuple(_tools(offered)),
        built_in=frozenset(told) - {"function", "custom", "namespace", "local_shell"},
        choice=_choice(body.get("tool_choice")),
        may_call_several=body.get("parallel_tool_calls") is not False,
        schema=_schema((body.get("text") or {}).get("format") or {}),
        wants_summary=bool(reasoning.get("summary")),
        wants_encrypted="reasoning.encrypted_content" in (body.get("include") or ()),
        effort=reasoning.get("effort") or "medium",
        picture=told.get("image_generation", {}),
        scene=commands.get("scene", Command()),
        fault=commands.get("fault", Command()),
        mark=mark["name"] if mark else "",
    )


def find_command(text: str, kind: str) -> Command:
    """Return the command of one kind in a text, empty if there is none."""
    found = [_command(one) for one in _COMMAND.finditer(text) if one["kind"] == kind]
    return found[-1] if found else Command()


def plain_text(text: str) -> str:
    """Return a text without commands to the demo."""
    return _MARK.sub("", _COMMAND.sub("", text)).strip()


def offered_tools(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the tools of a body and those of its `additional_tools` items."""
    yield from body.get("tools") or ()
    for item in body.get("input") or ():
        if item.get("type") == "additional_tools":
            yield from item.get("tools") or ()


def message_text(item: dict[str, Any]) -> str:
    """Return the text of a message or of a call's output."""
    content = item.get("content", item.get("output"))
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(str(part.get("text") or part.get("refusal") or "") for part in parts).strip()


def _command(found: re.Match[str]) -> Command:
    numbers = tuple(float(one) for one in found["numbers"].split()[:MAX_NUMBERS])
    name = found["name"].lower().replace("_", "-")
    return Command(name, found["variant"] or "", numbers, is_once=bool(found["once"]))


def _said(body: dict[str, Any], caller: Caller) -> Iterator[tuple[str, str]]:
    if body.get("instructions"):
        yield "system", str(body["instructions"])
    for item in body["input"]:
        if item.get("type", "message") == "message":
            role = "system" if item["role"] == "developer" else item["role"]
            yield role, plain_text(message_text(item))
        elif item["type"] == "compaction":
            yield "system", unseal(caller.account_id, item["encrypted_content"]) or ""


def _last_user_item(items: list[dict[str, Any]]) -> int:
    users = [place for place, item in enumerate(items) if item.get("role") == "user"]
    return users[-1] if users else -1


def _results(items: list[dict[str, Any]]) -> Iterator[str]:
    for item in items:
        if str(item.get("type")).endswith("_output"):
            yield message_text(item)


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


def _tools(offered: list[dict[str, Any]], namespace: str = "") -> Iterator[Tool]:
    for tool in offered:
        kind = tool["type"]
        if kind == "namespace":
            yield from _tools(tool.get("tools") or [], tool["name"])
        elif kind in {"function", "custom", "local_shell"}:
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


def count_words(value: object) -> int:
    """Return how many words a text or the JSON of a value has, as a stand-in for tokens."""
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return len(re.findall(r"[\u4e00-\u9fff]|[^\W_\u4e00-\u9fff]+", text))
