"""`tools` and `tool_choice` of a message -> what is demanded of its answer (anthropic-wire 1.5).

Tools that run at the caller's are functions. Those with a published schema of their own come without
one, and are given it; a search is the upstream's own. Whatever else would have to run here is a 400 that names
it, since a tool that is never called would go unnoticed.
"""

from collections.abc import Collection, Sequence
from typing import Any

from msgspec import Struct

from handlers.reading.demand_fields import Choice, offered_functions
from handlers.reading.json_body import converted, quoted, refusal
from service.vocabulary.requests import Function

MAX_TOOLS = 1_024  # agents with many servers behind them have hundreds
SEARCH = "web_search"
_MAX_NAME_CHARS = 128
_PLACEHOLDER = "DeferredToolPlaceholder"  # stands for tools that are not loaded yet
_BASH = {
    "type": "object",
    "properties": {
        "command": {"type": "string", "description": "The command to run."},
        "restart": {"type": "boolean", "description": "True restarts the shell."},
    },
}
_EDITOR_COMMANDS = ["view", "create", "str_replace", "insert"]


def _editor(*commands: str) -> dict[str, Any]:
    text, number = {"type": "string"}, {"type": "integer"}
    return {
        "type": "object",
        "properties": {
            "command": {"type": "string", "enum": [*_EDITOR_COMMANDS, *commands]},
            "path": {"type": "string", "description": "Absolute path of a file or folder."},
            "file_text": {**text, "description": "For create: what the file is to hold."},
            "old_str": {**text, "description": "For str_replace: what is in the file once."},
            "new_str": {**text, "description": "For str_replace: what takes its place."},
            "insert_line": {**number, "description": "For insert: the line to insert after."},
            "insert_text": {**text, "description": "For insert: what to insert."},
            "view_range": {
                "type": "array",
                "items": number,
                "description": "For view: first and last line, -1 for the end.",
            },
        },
        "required": ["command", "path"],
    }


# What callers run themselves, by type: what it is for, and its schema.
PUBLISHED: dict[str, tuple[str, dict[str, Any]]] = {
    "bash_20241022": ("Run a command in a shell that stays open.", _BASH),
    "bash_20250124": ("Run a command in a shell that stays open.", _BASH),
    "text_editor_20241022": ("View and edit files.", _editor("undo_edit")),
    "text_editor_20250124": ("View and edit files.", _editor("undo_edit")),
    "text_editor_20250429": ("View and edit files.", _editor()),
    "text_editor_20250728": ("View and edit files.", _editor()),
}


class WireChoice(Struct, frozen=True):
    """`tool_choice`."""

    type: str
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class _Tool(Struct, frozen=True):
    name: str
    type: str | None = None
    description: str | None = None
    input_schema: dict[str, Any] | None = None
    defer_loading: bool | None = None


class Tools(Struct, frozen=True):
    """What may be called, and whether something has to be; `searches` asks for a search.

    `listed` are all functions that the model is shown, whatever the choice among them.
    """

    listed: tuple[Function, ...] = ()
    functions: tuple[Function, ...] = ()
    must_call: bool = False
    is_parallel: bool = True
    may_search: bool = False
    searches: bool = False


def tools_of(
    sent: Sequence[dict[str, Any]], choice: WireChoice | None, loaded: Collection[str]
) -> Tools:
    """Return the tools that may be called.

    Args:
        sent: the tools as they were sent.
        choice: which of them.
        loaded: the names of deferred tools that the model has been shown.

    Raises:
        RequestError: a tool is wrong or cannot be had, or the choice has a name that none has.
    """
    functions, may_search = [], False
    for at, each in enumerate(sent):
        path = f"tools.{at}"
        tool = converted(each, _Tool, path)
        if (tool.type or "").startswith(f"{SEARCH}_"):
            may_search = True
            continue
        function = _function(tool, path)
        is_deferred = tool.defer_loading and tool.name not in loaded
        if not is_deferred and tool.name != _PLACEHOLDER:
            functions.append(function)
    chosen, searches = _chosen(choice, may_search=may_search)
    if chosen.must_call and not functions and may_search:
        chosen, searches = Choice(may_call=False), True
    offered = offered_functions(functions, chosen, "tool_choice", MAX_TOOLS)
    return Tools(
        listed=tuple(functions),
        functions=offered,
        must_call=chosen.must_call and bool(offered),
        is_parallel=not (choice and choice.disable_parallel_tool_use),
        may_search=may_search and (choice is None or choice.type != "none"),
        searches=searches,
    )


def _chosen(choice: WireChoice | None, *, may_search: bool) -> tuple[Choice, bool]:
    """Return the choice of functions, and True if a search has to be made instead."""
    match choice:
        case None | WireChoice("auto"):
            return Choice(), False
        case WireChoice("any"):
            return Choice(must_call=True), False
        case WireChoice("none"):
            return Choice(may_call=False), False
        case WireChoice("tool", str(name)):
            if may_search and name == SEARCH:
                return Choice(may_call=False), True
            return Choice(must_call=True, only=(name,)), False
        case WireChoice("tool"):
            raise refusal("tool_choice.name", "Field required")
        case WireChoice(kind):
            problem = f"{quoted(kind)} is none of 'auto', 'any', 'tool' and 'none'"
            raise refusal("tool_choice.type", problem)


def _function(tool: _Tool, path: str) -> Function:
    if not tool.name or len(tool.name) > _MAX_NAME_CHARS or not tool.name.isprintable():
        raise refusal(f"{path}.name", f"expected 1 to {_MAX_NAME_CHARS} characters")
    if tool.type in (None, "custom"):
        if tool.input_schema is None:
            raise refusal(f"{path}.input_schema", "Field required")
        if tool.input_schema.get("type", "object") != "object":
            problem = "the input of a tool is an object; send {'type': 'object', …}"
            raise refusal(f"{path}.input_schema.type", problem, "invalid_json_schema")
        return Function(
            tool.name, f"{path}.input_schema", tool.description or "", tool.input_schema
        )
    if (published := PUBLISHED.get(tool.type or "")) is None:
        problem = f"{quoted(tool.type or '')} tools do not run here; send tools of your own"
        raise refusal(f"{path}.type", problem)
    description, schema = published
    return Function(tool.name, f"{path}.input_schema", description, schema)
