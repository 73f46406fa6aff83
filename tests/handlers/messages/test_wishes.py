from typing import Any

import pytest

from handlers.messages.wishes import WireThinking, cache_key, effort_of
from service.vocabulary.errors import RequestError
from service.vocabulary.requests import Wishes
from tests.handlers.messages.asking import asked
from tests.rows import each_row

ADD = {"name": "add", "description": "Add.", "input_schema": {"type": "object"}, "strict": True}
SEARCH = {
    "type": "web_search_20260318",
    "name": "web_search",
    "allowed_domains": ["a.example"],
    "user_location": {"type": "approximate", "city": "Rome"},
}


def wishes(**body: Any) -> Wishes:
    return asked(**body).chat.wishes


def test_tools_go_in_their_order_and_searches_behind() -> None:
    function, search = wishes(tools=[SEARCH, ADD]).tools
    assert function == {
        "type": "function",
        "name": "add",
        "description": "Add.",
        "parameters": {"type": "object", "properties": {}},
        "strict": False,
    }
    assert search == {
        "type": "web_search",
        "filters": {"allowed_domains": ["a.example"]},
        "user_location": {"type": "approximate", "city": "Rome"},
    }


@each_row(
    ("choice", "sent", "searches"),
    [
        (None, None, False),
        ({"type": "auto"}, "auto", False),
        ({"type": "any"}, "required", False),
        ({"type": "none"}, "none", False),
        ({"type": "tool", "name": "add"}, {"type": "function", "name": "add"}, False),
        ({"type": "tool", "name": "web_search"}, {"type": "web_search"}, True),
    ],
)
def test_32_a_choice_is_told_in_the_other_words(
    choice: dict[str, Any] | None, sent: Any, searches: bool
) -> None:
    found = wishes(tools=[SEARCH, ADD], tool_choice=choice)
    assert (found.tool_choice, found.wants_search) == (sent, searches)
    assert found.is_parallel is True


def test_all_tools_go_along_whatever_may_be_called() -> None:
    """The upstream's cache lives on it."""
    only = {"type": "tool", "name": "add", "disable_parallel_tool_use": True}
    found = wishes(tools=[ADD, {**ADD, "name": "sub"}], tool_choice=only)
    assert [tool["name"] for tool in found.tools] == ["add", "sub"]
    assert found.is_parallel is False


@each_row(
    ("thinking", "effort", "word"),
    [
        (None, None, ""),
        (None, "max", "max"),
        (WireThinking("adaptive"), None, "medium"),
        (WireThinking("adaptive"), "low", "low"),
        (WireThinking("enabled", 3_999), None, "low"),
        (WireThinking("enabled", 15_999), None, "medium"),
        (WireThinking("enabled", 31_999), None, "high"),
        (WireThinking("enabled", 31_999), "low", "low"),
        (WireThinking("disabled"), "high", "none"),
    ],
)
def test_effort_is_a_word(thinking: WireThinking | None, effort: str | None, word: str) -> None:
    assert effort_of(thinking, effort) == word


def test_an_unknown_word_of_effort_is_refused() -> None:
    with pytest.raises(RequestError):
        effort_of(None, "extreme")


def test_a_session_names_a_talk_and_is_not_in_the_name() -> None:
    """A9.12."""
    told = '{"device_id": "d", "session_id": "secret-session"}'
    key = cache_key({"user_id": told}, "Be brief.")
    assert key == cache_key({"user_id": told.replace('"d"', '"e"')}, "Be brief.")
    assert key != cache_key({"user_id": "another"}, "Be brief.")
    assert key != cache_key({"user_id": told}, "Be long.")
    assert "secret" not in key
    assert cache_key({"user_id": "plain"}, "") != ""
    assert cache_key(None, "") == cache_key({"user_id": 1}, "") == ""


def test_a_format_is_a_schema_that_this_gateway_checks() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    found = wishes(output_config={"format": {"type": "json_schema", "schema": schema}})
    assert found.format == {
        "type": "json_schema",
        "name": "answer",
        "schema": schema,
        "strict": False,
    }
