"""A request -> the JSON body of a turn of Codex's back end (codex 2.3; spec 14.2).

The same request gives the same bytes, and what a talk begins with stays as it was while it goes on.
What the back end refuses is not sent: it takes no limits of length and no sampling.
"""

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

from msgspec import Struct, structs

from service.vocabulary.errors import RequestError
from service.vocabulary.requests import ChatRequest, Wishes
from upstream.codex.payload.items import History, InlineFile, Item, history_of
from upstream.codex.payload.model import CodexModel, nearest_effort
from upstream.codex.payload.tools import Tools, native_tools

RESPONSES, COMPACT = "responses", "responses/compact"
IMAGES = "images/"  # where the paths of orders of pictures begin
DRAWING = "image_generation"  # the tool that draws
INCLUDED = "reasoning.encrypted_content"
_COMPACTED = ("model", "instructions", "input", "tools", "parallel_tool_calls", "reasoning", "text")
# What a caller may ask for, and the word that the back end has for it.
_TIERS = {
    "auto": "default",
    "default": "default",
    "fast": "priority",
    "flex": "flex",
    "priority": "priority",
}
_JSON_OBJECT = "json_object"
_SAY_JSON = "Answer with JSON."  # the back end refuses the format unless the word was said
_KEY_CHARS = 32


class TurnSource(Struct, frozen=True):
    """What a body is made of besides the request.

    `files` are by the paths of their parts; `unseal` returns what of sealed reasoning may be
    sent; `account` is part of the name of the talk.
    """

    model: CodexModel
    account: str
    files: Mapping[str, InlineFile]
    unseal: Callable[[str], str]


class CodexTurn(Struct, frozen=True):
    """A turn as it is sent, to a path below the base.

    `names` are those of tools that had to be shortened; an order of pictures has no `cache_key`.
    """

    body: dict[str, Any]
    cache_key: str = ""
    is_lite: bool = False
    names: dict[str, str] = {}
    has_files: bool = False
    path: str = RESPONSES

    @property
    def model(self) -> str:
        """The name of the model that is asked."""
        return str(self.body["model"])

    @property
    def is_streamed(self) -> bool:
        """Whether the answer comes in events; else it is one JSON object."""
        return self.body.get("stream") is True

    @property
    def is_drawing(self) -> bool:
        """Whether a picture may come of it, which takes minutes."""
        beside = [tool for item in self._items for tool in item.get("tools", ())]
        tools = [*self.body.get("tools", ()), *beside]
        return self.path.startswith(IMAGES) or any(tool.get("type") == DRAWING for tool in tools)

    @property
    def has_sealed(self) -> bool:
        """Whether the back end may refuse what is sealed of it."""
        return any(item.get("type") == "reasoning" for item in self._items)

    def without_sealed(self) -> "CodexTurn":
        """Return the turn without what is sealed."""
        items = [item for item in self._items if item.get("type") != "reasoning"]
        return structs.replace(self, body={**self.body, "input": items})

    @property
    def _items(self) -> list[Item]:
        items: list[Item] = self.body.get("input", [])
        return items

    @property
    def answered_calls(self) -> list[str]:
        """The ids of the calls whose results are what the turn ends with."""
        found: list[str] = []
        for item in reversed(self._items):
            if not str(item.get("type")).endswith("_output") or "call_id" not in item:
                break
            found.append(item["call_id"])
        return found


# One field of the body after the other.
def build_turn(request: ChatRequest, source: TurnSource) -> CodexTurn:
    """Return a turn.

    Raises:
        RequestError: the history or a tool cannot be sent, or there is no such tier.
    """
    wishes, model = request.wishes, source.model
    history = history_of(request.messages, source.files, source.unseal)
    tools = native_tools(wishes.tools, wishes.tool_choice)
    key = wishes.cache_key or _cache_key(source.account, history)
    begun = _lite(history, tools) if model.is_lite else _plain(history, tools)
    body: dict[str, Any] = {
        "model": model.slug,
        **begun,
        **_choice(wishes, tools, is_lite=model.is_lite),
        **_reasoning(wishes, model),
        "store": False,
        "stream": True,
        "include": [INCLUDED, *wishes.included],
        "prompt_cache_key": key,
        **_text(wishes),
    }
    if wishes.service_tier:
        body["service_tier"] = _tier(wishes.service_tier)
    has_files = bool(source.files)
    return CodexTurn(_with_json(body), key, model.is_lite, tools.names, has_files=has_files)


def compact_turn(request: ChatRequest, source: TurnSource) -> CodexTurn:
    """Return a turn that makes items which stand for the history.

    Raises:
        RequestError: as for `build_turn`.
    """
    turn = build_turn(request, source)
    usual = {"tools": [], "parallel_tool_calls": False}
    sent = {name: turn.body[name] for name in _COMPACTED if name in turn.body}
    return structs.replace(turn, body={**usual, **sent}, path=COMPACT)


def _plain(history: History, tools: Tools) -> dict[str, Any]:
    listed = {"tools": tools.tools} if tools.tools else {}
    return {"instructions": history.instructions, "input": history.items, **listed}


def _lite(history: History, tools: Tools) -> dict[str, Any]:
    """Return the input for a model of the lite form: instructions and tools are items."""
    items: list[Item] = []
    if tools.tools:
        items.append({"type": "additional_tools", "role": "developer", "tools": tools.tools})
    if history.instructions:
        items.append(_developer(history.instructions))
    return {"input": [*items, *history.items]}


def _choice(wishes: Wishes, tools: Tools, *, is_lite: bool) -> dict[str, Any]:
    if not tools.tools:
        return {"parallel_tool_calls": False} if is_lite else {}
    is_parallel = wishes.is_parallel is not False and not is_lite
    chosen = {} if tools.choice is None else {"tool_choice": tools.choice}
    return {**chosen, "parallel_tool_calls": is_parallel}


def _reasoning(wishes: Wishes, model: CodexModel) -> dict[str, Any]:
    reasoning: dict[str, Any] = {}
    if wishes.effort:
        reasoning["effort"] = nearest_effort(wishes.effort, model.efforts)
    if wishes.summary and model.has_summaries:
        reasoning["summary"] = wishes.summary
    if model.is_lite:
        reasoning["context"] = "all_turns"
    return {"reasoning": reasoning} if reasoning else {}


def _tier(asked: str) -> str:
    if asked not in _TIERS:
        choices = ", ".join(f"'{word}'" for word in _TIERS)
        message = f"service_tier: this is no tier of Codex accounts; use one of {choices}."
        raise RequestError(message, param="service_tier")
    return _TIERS[asked]


def _text(wishes: Wishes) -> dict[str, Any]:
    text: dict[str, Any] = {}
    if wishes.verbosity:
        text["verbosity"] = wishes.verbosity
    if wishes.format is not None and wishes.format.get("type") != "text":
        text["format"] = wishes.format
    return {"text": text} if text else {}


def _with_json(body: dict[str, Any]) -> dict[str, Any]:
    """Return the body with the word JSON said in it, where its format wants that."""
    wanted = body.get("text", {}).get("format", {})
    if wanted.get("type") != _JSON_OBJECT:
        return body
    return {**body, "input": [_developer(_SAY_JSON), *body["input"]]}


def _developer(text: str) -> Item:
    content = [{"type": "input_text", "text": text}]
    return {"type": "message", "role": "developer", "content": content}


def _cache_key(account: str, history: History) -> str:
    """Return the cache key of a conversation, made of its owner and its first message."""
    first = next((item for item in history.items if item.get("role") == "user"), {})
    told = repr((account, history.instructions, first))
    return sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:_KEY_CHARS]
