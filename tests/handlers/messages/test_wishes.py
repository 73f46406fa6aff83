import json

import pytest

from handlers.messages.tools import Tools, WireChoice
from handlers.messages.wishes import WireThinking, cache_key, effort_of, wishes_of
from service.vocabulary.errors import RequestError
from service.vocabulary.requests import Function, JsonFormat, Wishes

READ = Function("read", "tools[0]", "Reads a file.", {"type": "object", "properties": {"path": {}}})
STOP = Function("stop", "tools[1]", "", {"type": "object"})
SEARCH = {"type": "web_search_20250305", "name": "web_search", "allowed_domains": ["a.example"]}


def test_a_message_without_tools_asks_for_words_alone() -> None:
    assert wishes_of(Tools(), (), None, None) == Wishes(summary="auto", is_sealed_wanted=True)


def test_tools_go_in_the_order_in_which_they_were_sent_and_searches_behind() -> None:
    tools = Tools(listed=(READ, STOP), functions=(READ, STOP), is_parallel=False)
    wishes = wishes_of(tools, (SEARCH,), WireChoice("any"), None)
    assert [(each["type"], each.get("name")) for each in wishes.tools] == [
        ("function", "read"),
        ("function", "stop"),
        ("web_search", None),
    ]
    assert wishes.tools[0]["description"] == "Reads a file."
    assert wishes.tools[1]["parameters"] == {"type": "object", "properties": {}}
    assert "description" not in wishes.tools[1]
    assert wishes.tools[2]["filters"] == {"allowed_domains": ["a.example"]}
    assert (wishes.tool_choice, wishes.is_parallel) == ("required", False)


def test_a_choice_names_a_function_or_the_search() -> None:
    tools = Tools(listed=(READ,), functions=(READ,))
    named = wishes_of(tools, (SEARCH,), WireChoice("tool", name="read"), None)
    assert named.tool_choice == {"type": "function", "name": "read"}
    searched = wishes_of(tools, (SEARCH,), WireChoice("tool", name="web_search"), None)
    assert searched.tool_choice == {"type": "web_search"}


def test_a_format_is_a_schema_that_the_gateway_checks() -> None:
    schema = {"type": "object"}
    wishes = wishes_of(Tools(), (), None, JsonFormat("output_config.format", schema))
    assert wishes.format == {
        "type": "json_schema",
        "name": "answer",
        "schema": schema,
        "strict": False,
    }


@pytest.mark.parametrize(
    ("thinking", "word", "effort"),
    [
        (None, None, ""),
        (None, "high", "high"),
        (WireThinking("disabled"), "high", "none"),
        (WireThinking("enabled", 1_024), None, "low"),
        (WireThinking("enabled", 10_000), None, "medium"),
        (WireThinking("enabled", 31_999), None, "high"),
        (WireThinking("enabled", 1_024), "max", "max"),
        (WireThinking("adaptive"), None, "medium"),
    ],
)
def test_effort_is_the_word_or_the_budget(
    thinking: WireThinking | None, word: str | None, effort: str
) -> None:
    assert effort_of(thinking, word) == effort


def test_a_word_that_no_model_knows_is_named() -> None:
    with pytest.raises(RequestError) as caught:
        effort_of(None, "much")
    assert caught.value.param == "output_config.effort"


def test_a_session_has_one_name_whatever_stands_beside_it() -> None:
    def key(user_id: object, instructions: str = "Be kind.") -> str:
        return cache_key({"user_id": user_id}, instructions)

    session = json.dumps({"device_id": "d", "session_id": "s-1"})
    assert key(session) == key(json.dumps({"session_id": "s-1", "device_id": "other"}))
    assert len({key(session), key("s-2"), key(session, "Be brief.")}) == 3
    assert "s-1" not in key(session)
    assert cache_key(None, "x") == key("") == key(7) == ""
