"""One hostile input: what is sent, what has to come of it, and why."""

import json
from dataclasses import dataclass, field
from typing import Any

from tests.scripted_upstream import Head, Step

CHAT = "/v1/chat/completions"
FILES = "/v1/files"
RESPONSES = "/v1/responses"
CONVERSATIONS = "/v1/conversations"
JSON = {"Content-Type": "application/json"}
GOOD = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}]}
MANY = 4  # members of a list or object that are shown
MOST_CHARS = 48  # of a text that is shown
MOST_OF_JSON = 140


@dataclass(frozen=True)
class Hostile:
    """A request that means harm, and its answer.

    `code` and `param` are those of the error object; without a code there is no error. A header
    that is None is left out. In `path` and `headers`, words in braces stand for what the bench
    has made (`{file}` is somebody else's file). `shown` is how the page shows what is sent.
    """

    name: str
    shown: str
    status: int
    code: str | None = None
    param: str | None = None
    why: str = ""
    method: str = "POST"
    path: str = CHAT
    body: bytes = b""
    headers: dict[str, str | None] = field(default_factory=dict)

    @property
    def answer(self) -> str:
        """The answer as the page has it."""
        code = f" `{self.code}`" if self.code else ""
        return f"{self.status}{code}" + (f", `{self.param}`" if self.param else "")


@dataclass(frozen=True)
class Wire:
    """Bytes on a connection of their own, and the statuses that they are answered with.

    Without a status the connection is closed, and nothing is said.
    """

    name: str
    data: bytes
    statuses: tuple[int, ...] = (400,)
    why: str = ""

    @property
    def shown(self) -> str:
        return written(self.data, 160)

    @property
    def answer(self) -> str:
        return ", then ".join(map(str, self.statuses)) or "closed"


@dataclass(frozen=True)
class Played:
    """What an upstream sends for a turn, and what the caller gets: a text, an error, or both."""

    name: str
    shown: str
    steps: tuple[Step, ...]
    text: str = ""
    status: int = 200
    code: str | None = None
    why: str = ""
    head: Head = field(default_factory=Head)

    @property
    def answer(self) -> str:
        first, line_break, _ = self.text.partition("\n")
        told = f", `{short(first)}{'…' if line_break else ''}`" if self.text else ""
        return f"{self.status}" + (f" `{self.code}`" if self.code else "") + told


@dataclass(frozen=True)
class Section:
    """Inputs of one kind. `about` says what they have in common."""

    title: str
    about: str
    rows: tuple[Hostile | Wire | Played, ...]


def refused(
    name: str, why: str, fields: dict[str, Any], param: str | None = None, **more: Any
) -> Hostile:
    """Return fields of a chat that are a 400."""
    more = {"status": 400, "code": "invalid_request", **more}
    return asked(name, why, fields, param=param, **more)


def asked(name: str, why: str, fields: dict[str, Any], **more: Any) -> Hostile:
    """Return fields laid over those of a good request; answered, unless a status is given."""
    body = json.dumps({**more.pop("base", GOOD), **fields}).encode()
    headers = more.pop("headers", {})
    said = [f"{each}: {short(value)}" for each, value in headers.items()]
    shown = more.pop("shown", "; ".join([*([compact(fields)] if fields else []), *said[:2]]))
    more = {"status": 200, **more}
    return Hostile(name, shown, why=why, body=body, headers={**JSON, **headers}, **more)


def compact(value: Any) -> str:
    """Return JSON in one line, or the beginning of a long one."""
    text = json.dumps(_shortened(value), ensure_ascii=True)
    return text if len(text) <= MOST_OF_JSON else f"{text[:MOST_OF_JSON]}…"


def _shortened(value: Any) -> Any:
    if isinstance(value, str):
        return short(value)
    if isinstance(value, list):
        rest = [f"… {len(value)} in all"] if len(value) > MANY else []
        return [_shortened(each) for each in value[:MANY]] + rest
    if isinstance(value, dict):
        shown = {short(key): _shortened(each) for key, each in list(value.items())[:MANY]}
        return shown | ({"…": f"{len(value)} in all"} if len(value) > MANY else {})
    return value


def short(text: str) -> str:
    """Return a text, or the beginning of a long one and its length."""
    if len(text) <= MOST_CHARS:
        return text
    return f"{text[:16]}… ({len(text)} characters)"


def written(data: bytes, most: int = 96) -> str:
    """Return bytes as they are written in code; of many, the beginning and how many."""
    text = repr(data[:most])[2:-1]
    return text if len(data) <= most else f"{text}… ({len(data)} bytes)"
