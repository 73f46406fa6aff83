"""The readable parts of calls of the website's tools (spec 7.2)."""

import json
from typing import Any

from service.stages.decode.messages import read_message
from service.stages.translate.progress import Progress, Use
from service.stages.translate.tool_calls import (
    MAX_QUERIES,
    Search,
    ToolCalls,
    is_reply_of_action,
    queries_of,
    use_of,
)
from service.vocabulary.events import AnswerBlock, Message, ToolCallText
from service.vocabulary.native import ToolItemEnded, ToolItemStarted, ToolItemStep
from tests.rows import each_row

CREATE, UPDATE = "canmore.create_textdoc", "canmore.update_textdoc"
PLUGIN = {"invoked_plugin": {"namespace": "x"}}
GPT = {"gizmo_id": "g-1"}


def call(recipient: str, text: str = "", **fields: Any) -> Message:
    raw = {"id": "k", "author": {"role": "assistant"}, "recipient": recipient}
    content = {"content_type": "code", "language": "json", "text": text}
    read = read_message({**raw, "status": "finished_successfully", "content": content, **fields})
    assert read is not None
    return read


@each_row(
    ("recipient", "metadata", "use"),
    [
        *((name, {}, Use.SHOWN) for name in ("python", "dalle.text2im", "browser", "all")),
        *((name, {}, Use.SHOWN) for name in ("myfiles_browser", "a.org__jit_plugin.get")),
        *((name, {}, Use.DOCUMENT) for name in (CREATE, UPDATE)),
        *((name, {}, Use.HIDDEN) for name in ("bio", "web", "web.run", "search", "image_gen")),
        *((name, {}, Use.HIDDEN) for name in ("container.exec", "file_search.msearch")),
        *((name, {}, Use.HIDDEN) for name in ("canmore.comment_textdoc", "zz9", "assistant")),
        ("weather.get", {}, Use.MAYBE),
        ("weather.get", PLUGIN, Use.SHOWN),
        ("weather.get", GPT, Use.SHOWN),
        ("web.run", GPT, Use.HIDDEN),
    ],
)
def test_a_call_is_for_a_reader_by_its_tool(
    recipient: str, metadata: dict[str, Any], use: Use
) -> None:
    assert use_of(call(recipient, metadata=metadata)) is use


def test_the_reply_tells_that_a_call_was_an_actions() -> None:
    mine = call("weather.get")
    reply = {"author": {"role": "tool", "name": "weather.get"}, "metadata": PLUGIN}
    assert is_reply_of_action(call("all", **reply), mine)
    assert not is_reply_of_action(call("all", **reply), call("other.get"))
    assert not is_reply_of_action(call("all", **{**reply, "metadata": {}}), mine)


def fed(message: Message) -> list[ToolCallText | Search]:
    return list(ToolCalls().feed(message, Progress()))


def test_what_can_be_used_is_told_as_it_comes() -> None:
    progress, calls = Progress(), ToolCalls()
    growing = call(
        "python", "x", status="in_progress", content={"content_type": "code", "text": "x"}
    )
    assert list(calls.feed(growing, progress)) == [ToolCallText("k", "", "x")]
    last = [ToolCallText("k", "", " = 1", is_last=True)]
    whole = call("python", content={"content_type": "code", "text": "x = 1"})
    assert list(calls.feed(whole, progress)) == last
    assert fed(call("bio", "remember")) == []


def document(*calls: tuple[str, str]) -> AnswerBlock | None:
    """Return the document after the last of several calls."""
    told: Any = None
    reading = ToolCalls()
    for recipient, text in calls:
        progress, message = Progress(), call(recipient, text)
        assert list(reading.feed(message, progress)) == []
        told = next(reading.whole(message, progress), None)
    assert told is None or isinstance(told, AnswerBlock)
    return told


SONG = '{"name":" Song\\n2","type":"document","content":"Row\\n\\"a\\""}'
SNAKE = '{"name":"S","type":"code/python","content":"x"}'


@each_row(
    ("calls", "title", "language", "text"),
    [
        ([(CREATE, SONG)], "Song 2", "markdown", 'Row\n"a"'),
        ([(CREATE, SNAKE)], "S", "python", "x"),
        ([(CREATE, SNAKE.replace("python", "other"))], "S", "", "x"),
        ([(CREATE, SNAKE.replace("python", "a b"))], "S", "", "x"),
        (
            [(CREATE, SNAKE), (UPDATE, '{"updates":[{"replacement":"a"},{"replacement":"b"},3]}')],
            "S",
            "python",
            "a\n\nb",
        ),
        ([(UPDATE, '{"updates":[{"pattern":".*","replacement":"a"}]}')], "", "markdown", "a"),
        ([(UPDATE, '{"updates":[{"pattern":".*","replacement":"a')], "", "markdown", "a"),
        ([(CREATE, '{"name":"T","type":"document","content":"a\\n')], "T", "markdown", "a\n"),
        ([(CREATE, '{"name":"T","type":"document","content":"a\\')], "T", "markdown", "a"),
        ([(CREATE, '{"name":"T","type":"document","content":"a\\u12')], "T", "markdown", "a"),
        ([(CREATE, '{"name":"T","content":"\\\\u12\\q')], "T", "markdown", "\\u12\\q"),
        (
            [(CREATE, '{"name":"T","type":"document","content":"\\cdot\n"}')],
            "T",
            "markdown",
            "\\cdot\n",
        ),
    ],
)
def test_a_document_is_what_its_call_says_as_far_as_it_came(
    calls: list[tuple[str, str]], title: str, language: str, text: str
) -> None:
    assert document(*calls) == AnswerBlock("k", language, text, title, is_document=True)


@each_row("text", ["", "[]", "3", '{"q":1}', '{"content":3}', '{"content":', "[" * 5000])
def test_a_call_that_holds_no_document_is_none(text: str) -> None:
    assert document((CREATE, text)) is None
    assert document((UPDATE, text)) is None


def test_a_call_of_an_unknown_tool_is_a_block_only_once_it_is_known_to_be_an_actions() -> None:
    progress, calls, message = Progress(), ToolCalls(), call("weather.get", "{}")
    assert list(calls.feed(message, progress)) == []
    assert list(calls.whole(message, progress)) == []
    progress.use = Use.SHOWN
    assert list(calls.whole(message, progress)) == [ToolCallText("k", "json", "{}", is_last=True)]


@each_row(
    ("recipient", "text", "queries"),
    [
        (
            "web.run",
            '{"search_query":[{"q":"boats"},{"q":"ships"},{},3],"open":[]}',
            ("boats", "ships"),
        ),
        ("web.search", '{"query":"boats"}', ("boats",)),
        ("search", 'search("boats \\"a\\"", 3)', ('boats "a"',)),
        ("web.run", '{"open":[{"ref_id":"turn0search1"}]}', ()),
        ("web", "mclick([1])", ()),
        ("web.run", "{", ()),
        ("web.run", json.dumps({"search_query": [{"q": "a"}] * 99}), ("a",) * MAX_QUERIES),
        ("web.run", json.dumps({"search_query": [{"q": "a" * 9999}]}), ("a" * 500,)),
        ("bio", '{"query":"boats"}', ()),
    ],
)
def test_a_search_is_told_by_its_queries(
    recipient: str, text: str, queries: tuple[str, ...]
) -> None:
    message = call(recipient, text)
    assert queries_of(message, text) == queries
    told = fed(message)
    assert bool(told) is bool(queries)
    if told:
        action = {"type": "search", "query": queries[0], "queries": [*queries]}
        item = {"type": "web_search_call", "action": action}
        assert told == [
            ToolItemStarted(0, {**item, "status": "in_progress"}),
            *(ToolItemStep(0, step) for step in ("in_progress", "searching", "completed")),
            ToolItemEnded(0, {**item, "status": "completed"}),
        ]


def test_searches_are_counted() -> None:
    calls = ToolCalls()
    for number in range(2):
        message = call("web.run", '{"query":"a"}')
        (*_, ended) = calls.feed(message, Progress())
        assert isinstance(ended, ToolItemEnded)
        assert ended.number == number
