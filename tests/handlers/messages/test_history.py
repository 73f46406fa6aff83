from typing import Any

import pytest

from service.demands.instructions import call_text
from service.stages.encode.message_ids import tool_use_id
from service.vocabulary.errors import RequestError
from service.vocabulary.requests import FilePart
from tests.handlers.messages.asking import HELLO, PICTURE, asked, last, told
from tests.rows import each_row

A, B = (tool_use_id(f"call_{name}", "msg_00000000", 0) for name in "ab")
CALLS = {
    "role": "assistant",
    "content": [
        {"type": "text", "text": "I look."},
        {"type": "tool_use", "id": A, "name": "read", "input": {"path": "a"}, "caller": {}},
        {"type": "tool_use", "id": B, "name": "read", "input": {"path": "b"}},
    ],
}


def result(tool_use_id: str, content: Any = "out", **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": tool_use_id, "content": content, **more}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words, "cache_control": {"type": "ephemeral"}}


def user(*content: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(content)}


RESULTS = [("tool", "read (call_b) returned:\nB"), ("tool", "read (call_a) returned:\nA")]


@each_row(
    "turns",
    [
        [user(result(B, "B"), result(A, "A"), text("one"), text("two"))],
        [user(text("one"), result(B, "B"), text("two"), result(A, "A"))],
        [user(result(B, "B"), text("one")), user(text("two"), result(A, "A"))],
    ],
)
def test_29_results_stand_behind_their_calls_and_the_rest_in_order(
    turns: list[dict[str, Any]],
) -> None:
    """A8 29: text before, between and after; in one turn or two; nothing is lost."""
    calls = [call_text(f"call_{name}", "read", f'{{"path": "{name}"}}') for name in "ab"]
    assert told(HELLO, CALLS, *turns) == [
        ("user", "Hello"),
        ("assistant", "\n".join(["I look.", *calls])),
        *RESULTS,
        ("user", "one\ntwo"),
    ]


@each_row(
    ("given", "words", "files"),
    [
        (result(A, "plain"), "plain", 0),
        (result(A, [text("one"), text("two")]), "one\ntwo", 0),
        (result(A, None), "", 0),
        ({"type": "tool_result", "tool_use_id": A}, "", 0),
        (result(A, "bad", is_error=True), "Error: bad", 0),
        (result(A, [text("see"), PICTURE]), "see", 1),
        (result(A, [{"type": "tool_reference", "tool_name": "edit"}]), "The tool edit can be", 0),
        (
            result(
                A,
                [{"type": "search_result", "source": "s", "title": "t", "content": [text("f")]}],
            ),
            "t (s):\nf",
            0,
        ),
    ],
)
def test_30_a_result_is_whatever_its_tool_made(
    given: dict[str, Any], words: str, files: int
) -> None:
    message = last(HELLO, CALLS, user(result(B), given))
    assert message.role == "tool"
    assert message.text.startswith(f"read (call_a) returned:\n{words}")
    assert sum(isinstance(part, FilePart) for part in message.parts) == files


def test_a_turn_that_was_interrupted_poisons_nothing() -> None:
    """Calls without a result get an empty one, before all else."""
    assert told(HELLO, CALLS, user(result(A), text("go on")))[2:] == [
        ("tool", "read (call_a) returned:\nout"),
        ("tool", "read (call_b) returned:\n"),
        ("user", "go on"),
    ]


def test_a_result_without_its_call_is_refused_by_its_place() -> None:
    with pytest.raises(RequestError) as refused:
        told(HELLO, user(result("toolu_none")))
    assert refused.value.param == "messages.1.content.0.tool_use_id"


@each_row(
    "block",
    [
        {"type": "thinking", "thinking": "x", "signature": "y"},
        {"type": "redacted_thinking", "data": "x"},
        {"type": "server_tool_use", "id": "a", "name": "web_search", "input": {}},
        {"type": "web_search_tool_result", "tool_use_id": "a", "content": {"error_code": "x"}},
        {"type": "code_execution_tool_result", "content": []},
        {"type": "of_tomorrow"},
        {"type": "text", "text": " \n"},
    ],
)
def test_8_what_a_history_has_besides_is_left_out(block: dict[str, Any]) -> None:
    answer = {"role": "assistant", "content": [text("Said."), block]}
    assert told(HELLO, answer, HELLO)[1] == ("assistant", "Said.")
    alone = {"role": "assistant", "content": [block]}
    assert told(HELLO, alone, HELLO) == [("user", "Hello"), ("user", "Hello")]


def test_pages_of_an_earlier_search_are_told() -> None:
    found = {
        "type": "web_search_tool_result",
        "content": [{"type": "web_search_result", "url": "https://a.example", "title": "A"}],
    }
    said = told(HELLO, {"role": "assistant", "content": [found]}, HELLO)[1]
    assert said == ("assistant", "A (https://a.example)")


@each_row(
    ("messages", "place"),
    [
        ([{"role": "tool", "content": "x"}], "messages.0.role"),
        ([user({"type": "of_tomorrow"})], "messages.0.content.0.type"),
        ([user({"text": "x"})], "messages.0.content.0.type"),
        ([HELLO, {"role": "assistant", "content": "And so"}], "messages.1.role"),
        ([user(text(" "))], "messages"),
        ([{"role": "system", "content": [PICTURE]}, HELLO], "messages.0.content.0.0.type"),
        (
            [HELLO, {"role": "assistant", "content": [{"type": "tool_use"}]}],
            "messages.1.content.0.id",
        ),
    ],
)
def test_what_is_wrong_is_refused_by_its_place(messages: list[dict[str, Any]], place: str) -> None:
    with pytest.raises(RequestError) as refused:
        told(*messages)
    assert refused.value.param == place


def test_what_the_model_is_told_before_all_is_one_message() -> None:
    system = [
        {"type": "text", "text": "x-anthropic-billing-header: cch=1;"},
        {"type": "text", "text": "One."},
        {"type": "text", "text": ""},
        {"type": "text", "text": "Two."},
    ]
    assert told(HELLO, system=system)[0] == ("system", "One.\n\nTwo.")
    assert told(HELLO, system=system[:1]) == [("user", "Hello")]
    assert asked(system="Plain.").chat.messages[0].text == "Plain."
