"""What a message asks of the model besides words -> `Wishes` (anthropic-wire 7.2).

    {"name": "f", "input_schema": {…}}            {"type": "function", "name": "f", "parameters": {…}}
    {"type": "web_search_20250305", …}            {"type": "web_search", …}
    {"type": "enabled", "budget_tokens": 31999}   effort "high"

Tools go in the order in which they were sent, since the upstream's prompt cache lives on it.
"""

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from msgspec import Struct

from handlers.messages.tools import SEARCH, Tools, WireChoice
from handlers.reading.wish_fields import effort_word
from service.vocabulary.requests import Function, JsonFormat, Wishes

# How much is thought for a budget of so many tokens; clients send 31 999 for what is usual.
_BUDGETS = ((4_000, "low"), (16_000, "medium"))
_USUAL = "medium"
_CHOICES = {"auto": "auto", "any": "required", "none": "none"}
_SESSION = "session_id"
_KEY_CHARS = 32


class WireThinking(Struct, frozen=True):
    """Whether the model is to think, and whether that is shown."""

    type: str
    budget_tokens: int | None = None
    display: str | None = None


def wishes_of(
    tools: Tools,
    searches: Sequence[Mapping[str, Any]],
    choice: WireChoice | None,
    json_format: JsonFormat | None,
) -> Wishes:
    """Return the wishes about tools and the form of the answer.

    Args:
        tools: that may be called.
        searches: the tools that are the upstream's own search, as they were sent.
        choice: among all of them.
        json_format: what the answer has to be.
    """
    return Wishes(
        tools=(*map(_function, tools.listed), *map(_search, searches)),
        tool_choice=_choice(choice, may_search=bool(searches)),
        is_parallel=tools.is_parallel if tools.listed else None,
        format=_format(json_format),
        summary="auto",
        is_sealed_wanted=True,
    )


def effort_of(thinking: WireThinking | None, effort: str | None) -> str:
    """Return the effort of reasoning as a word; empty where nothing was said.

    Raises:
        RequestError: no model knows this word.
    """
    word = effort_word(effort, "output_config.effort")
    match thinking:
        case WireThinking("disabled"):
            return "none"
        case WireThinking("enabled", int(budget)) if not word:
            return next((word for most, word in _BUDGETS if budget < most), "high")
        case WireThinking() if not word:
            return _USUAL
        case _:
            return word


def cache_key(metadata: Mapping[str, Any] | None, instructions: str) -> str:
    """Return the name of a talk by its session; empty without one.

    Clients put the session into `user_id`, as JSON or as it is. It never goes up itself.
    """
    user_id = (metadata or {}).get("user_id")
    if not isinstance(user_id, str) or not user_id:
        return ""
    try:
        told = json.loads(user_id)
    except (ValueError, RecursionError):
        told = None
    session = told.get(_SESSION, user_id) if isinstance(told, dict) else user_id
    named = f"messages {session} {instructions}"
    return sha256(named.encode("utf-8", "surrogatepass")).hexdigest()[:_KEY_CHARS]


def _function(function: Function) -> dict[str, Any]:
    described = {"description": function.description} if function.description else {}
    parameters = function.parameters
    if "properties" not in parameters:
        parameters = {**parameters, "properties": {}}
    return {
        "type": "function",
        "name": function.name,
        **described,
        "parameters": parameters,
        "strict": False,
    }


def _search(sent: Mapping[str, Any]) -> dict[str, Any]:
    tool: dict[str, Any] = {"type": SEARCH}
    if domains := sent.get("allowed_domains"):
        tool["filters"] = {"allowed_domains": domains}
    if isinstance(where := sent.get("user_location"), dict):
        tool["user_location"] = where
    return tool


def _choice(choice: WireChoice | None, *, may_search: bool) -> str | dict[str, Any] | None:
    if choice is None:
        return None
    if choice.type != "tool":
        return _CHOICES[choice.type]
    if may_search and choice.name == SEARCH:
        return {"type": SEARCH}
    return {"type": "function", "name": choice.name}


def _format(wanted: JsonFormat | None) -> dict[str, Any] | None:
    if wanted is None:
        return None
    return {"type": "json_schema", "name": "answer", "schema": wanted.schema, "strict": False}
