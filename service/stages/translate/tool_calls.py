"""The readable parts of the model's calls of the website's tools (protocol 2.6, spec 7.2).

    python, dalle.text2im, <domain>__jit_plugin.<operation>    a block, as it comes
    canmore.create_textdoc {"name", "type", "content"}         the document
    web.run {"search_query": [{"q": …}]}                       nothing; the queries as data
    bio, image_gen, container.exec, …                          nothing, as on the website

A model wrote the JSON: it may contain raw line ends and backslashes, and may break off.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from service.stages.decode.known_words import is_action, is_known_tool, tool_of
from service.stages.decode.messages import call_language, call_text
from service.stages.translate.progress import Progress, Use
from service.vocabulary.events import AnswerBlock, Message, ToolCallText
from service.vocabulary.native import ToolItemEnded, ToolItemStarted, ToolItemStep

_READABLE = frozenset(
    {
        *("all", "python", "python_user_visible", "code_interpreter"),
        *("dalle", "browser", "myfiles_browser"),
    }
)
_CREATE, _UPDATE = "canmore.create_textdoc", "canmore.update_textdoc"
_SEARCHES = frozenset({"web", "search"})
_SEARCH_ITEM = "web_search_call"
_MARKDOWN = "markdown"  # the language of documents on the canvas
_LANGUAGE = re.compile(r"[\w+#.-]{1,20}")
_WHITE = re.compile(r"\s+")
# Fields of a call with incomplete JSON; one match, from the first such field on.
_FIELD = r'"{}"\s*:\s*"([^"\\]*(?:\\.[^"\\]*)*)'
_FIELDS = {
    name: re.compile(_FIELD.format(name), re.DOTALL)
    for name in ("name", "type", "content", "replacement")
}
_ESCAPE = re.compile(r'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})|(\\u[0-9a-fA-F]{0,3}\Z)|(\\)')
_CALLED = re.compile(r'\s*search\(\s*"((?:[^"\\]|\\.){0,1000})"')
MAX_CUT_CHARS = 1_000_000  # of a call with broken JSON; complete JSON has the limit of an event
MAX_QUERIES = 20
MAX_QUERY_CHARS = 500


Search = ToolItemStarted | ToolItemStep | ToolItemEnded


def use_of(message: Message) -> Use:
    """Return the form in which a call is shown; unknown tools are hidden like the website's own."""
    name = message.recipient
    if name in (_CREATE, _UPDATE):
        return Use.DOCUMENT
    if tool_of(name) in _READABLE or is_action(message):
        return Use.SHOWN
    return Use.HIDDEN if is_known_tool(name) or "." not in name else Use.MAYBE


def is_reply_of_action(message: Message, call: Message) -> bool:
    """Tell whether a message shows that a call was an action's (protocol 2.8)."""
    return message.role == "tool" and message.name == call.recipient and is_action(message)


class ToolCalls:
    """The calls of one turn, and the document that they write on the canvas."""

    def __init__(self) -> None:
        self._searches = 0
        self._title = ""  # of the latest document
        self._language = _MARKDOWN

    def feed(self, message: Message, progress: Progress) -> Iterator[ToolCallText | Search]:
        """Yield the parts of a call that can be shown while it grows."""
        progress.use = use_of(message)
        unseen = progress.growth.replace(call_text(message), is_final=message.is_finished)
        is_last = message.is_finished and not progress.is_finished
        if progress.use is Use.SHOWN:
            if not progress.has_text:
                progress.language = call_language(message)
            if unseen or is_last:
                progress.has_text = True
                yield ToolCallText(message.id, progress.language, unseen, is_last)
        queries = queries_of(message, progress.growth.text) if is_last else ()
        if queries and progress.use is Use.HIDDEN:
            yield from self._searched(queries)

    def _searched(self, queries: tuple[str, ...]) -> Iterator[Search]:
        """Yield the queries of a call as one search, once they are complete."""
        number, self._searches = self._searches, self._searches + 1
        action = {"type": "search", "query": queries[0], "queries": [*queries]}
        item = {"type": _SEARCH_ITEM, "action": action}
        yield ToolItemStarted(number, {**item, "status": "in_progress"})
        for step in ("in_progress", "searching", "completed"):
            yield ToolItemStep(number, step)
        yield ToolItemEnded(number, {**item, "status": "completed"})

    def whole(self, message: Message, progress: Progress) -> Iterator[ToolCallText | AnswerBlock]:
        """Yield the readable content of a complete call, if it has any."""
        text = progress.growth.text
        if progress.use is Use.SHOWN:
            yield ToolCallText(message.id, call_language(message), text, is_last=True)
        elif progress.use is Use.DOCUMENT and (block := self._document(message, text)) is not None:
            yield block

    def _document(self, message: Message, text: str) -> AnswerBlock | None:
        """Return the document that a call creates or updates, None if it does neither."""
        call = _loads(text)
        fields = call if isinstance(call, dict) else _cut_fields(text)
        if message.recipient == _CREATE:
            self._title = _WHITE.sub(" ", _str(fields, "name")).strip()
            self._language = _language(_str(fields, "type"))
        told = _str(fields, "content") or "\n\n".join(_replacements(fields))
        if not told:
            return None
        return AnswerBlock(message.id, self._language, told, self._title, is_document=True)


def queries_of(message: Message, text: str) -> tuple[str, ...]:
    """Return the web queries of a finished call; empty for other calls."""
    if tool_of(message.recipient) not in _SEARCHES:
        return ()
    value = _loads(text)
    if isinstance(value, dict):
        queries = [query[:MAX_QUERY_CHARS] for query in _queries(value)]
    else:
        called = _CALLED.match(text)
        queries = [_unescaped(called[1])[:MAX_QUERY_CHARS]] if called else []
    return tuple(query for query in queries[:MAX_QUERIES] if query)


def _queries(call: dict[str, Any]) -> Iterator[str]:
    searches = call.get("search_query")
    for search in searches if isinstance(searches, list) else ():
        if isinstance(search, dict):
            yield _str(search, "q")
    yield _str(call, "query")


def _replacements(fields: dict[str, Any]) -> Iterator[str]:
    updates = fields.get("updates")
    for update in updates if isinstance(updates, list) else (fields,):
        if isinstance(update, dict) and (text := _str(update, "replacement")):
            yield text


def _language(kind: str) -> str:
    """Return the fence's language for a document's type: `document`, or `code/python`."""
    _, is_code, language = kind.partition("/")
    if not is_code:
        return _MARKDOWN
    return language if _LANGUAGE.fullmatch(language) and language != "other" else ""


def _cut_fields(text: str) -> dict[str, Any]:
    """Return the text fields of a call whose JSON breaks off, as far as they came."""
    found = {name: pattern.search(text, 0, MAX_CUT_CHARS) for name, pattern in _FIELDS.items()}
    return {name: _unescaped(match[1]) for name, match in found.items() if match}


def _unescaped(literal: str) -> str:
    """Return the text of a JSON string as a model wrote it, up to where it breaks off."""
    value = _loads(f'"{_ESCAPE.sub(_mended, literal)}"')
    return value if isinstance(value, str) else ""


def _mended(found: re.Match[str]) -> str:
    if found[1]:
        return ""  # an incomplete escape
    return "\\\\" if found[2] else found[0]


def _loads(text: str) -> Any:
    """Return a JSON value, None if the text is not JSON."""
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None


def _str(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""
