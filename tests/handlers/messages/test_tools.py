from typing import Any

import pytest

from handlers.messages.tools import PUBLISHED
from service.demands.json_schemas import check_schema
from service.vocabulary.errors import RequestError
from service.vocabulary.requests import Demand
from tests.handlers.messages.asking import HELLO, asked
from tests.rows import each_row

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "title": "A"}
ADD = {"type": "custom", "name": "add", "input_schema": SCHEMA, "eager_input_streaming": True}
SEARCH = {"type": "web_search_20260318", "name": "web_search", "max_uses": 3}


def demand(**body: Any) -> Demand:
    found = asked(**body).chat.demand
    assert found is not None
    return found


def names(**body: Any) -> list[str]:
    found = asked(**body).chat.demand
    return [function.name for function in found.functions] if found else []


def test_a_tool_is_a_function_with_its_schema_as_it_is() -> None:
    [function] = demand(tools=[ADD]).functions
    assert (function.name, function.parameters) == ("add", SCHEMA)
    assert list(function.parameters) == list(SCHEMA)


@each_row("kind", PUBLISHED)
def test_a_tool_of_the_callers_side_has_its_published_schema(kind: str) -> None:
    [function] = demand(tools=[{"type": kind, "name": "its_name"}]).functions
    assert function.parameters["properties"]["command"]
    assert function.description
    check_schema(function.parameters)


@each_row(
    "kind",
    [
        *("web_fetch_20250910", "code_execution_20250825", "tool_search_tool_bm25_20251119"),
        *("computer_20250124", "memory_20250818", "of_tomorrow"),
    ],
)
def test_35_what_would_have_to_run_here_is_refused_by_its_type(kind: str) -> None:
    with pytest.raises(RequestError, match=kind) as refused:
        asked(tools=[ADD, {"type": kind, "name": "x"}])
    assert refused.value.param == "tools.1.type"


def test_31_a_deferred_tool_is_hidden_until_it_was_shown() -> None:
    """A8 31: what names it is a reference in a result; the placeholder is never shown."""
    tools = [
        {**ADD, "defer_loading": True},
        {**ADD, "name": "edit", "defer_loading": True},
        {**ADD, "name": "DeferredToolPlaceholder", "defer_loading": True},
        {**ADD, "name": "plain"},
    ]
    assert names(tools=tools) == ["plain"]
    use = {"type": "tool_use", "id": "toolu_1", "name": "plain", "input": {}}
    shown = [{"type": "tool_reference", "tool_name": "edit"}]
    history = [
        HELLO,
        {"role": "assistant", "content": [use]},
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": shown}],
        },
    ]
    assert names(tools=tools, messages=history) == ["edit", "plain"]


@each_row(
    ("choice", "may_call", "must_call", "is_parallel"),
    [
        (None, ["add", "sub"], False, True),
        ({"type": "auto"}, ["add", "sub"], False, True),
        ({"type": "any", "disable_parallel_tool_use": True}, ["add", "sub"], True, False),
        ({"type": "tool", "name": "sub"}, ["sub"], True, True),
    ],
)
def test_32_a_choice_says_what_may_and_has_to_be_called(
    choice: dict[str, Any] | None, may_call: list[str], must_call: bool, is_parallel: bool
) -> None:
    found = demand(tools=[ADD, {**ADD, "name": "sub"}], tool_choice=choice)
    assert [function.name for function in found.functions] == may_call
    assert (found.must_call, found.is_parallel) == (must_call, is_parallel)


def test_a_search_is_no_function_and_may_be_the_only_tool() -> None:
    assert names(tools=[SEARCH]) == []
    found = asked(tools=[SEARCH], messages=[{"role": "user", "content": "find\nboats"}])
    assert found.search_query == "find boats"
    forced = {"type": "tool", "name": "web_search"}
    assert names(tools=[SEARCH, ADD], tool_choice=forced) == []
    assert names(tools=[SEARCH, ADD]) == ["add"]
    assert asked(tools=[SEARCH], tool_choice={"type": "none"}).search_query == ""
    assert asked(tools=[ADD]).search_query == ""


@each_row(
    ("body", "place"),
    [
        ({"tools": [{"name": "a"}]}, "tools.0.input_schema"),
        ({"tools": [{"input_schema": SCHEMA}]}, "tools.0.name"),
        ({"tools": [{**ADD, "name": ""}]}, "tools.0.name"),
        ({"tools": [{**ADD, "input_schema": {"type": "array"}}]}, "tools.0.input_schema.type"),
        ({"tools": [ADD, ADD]}, "tools.1.name"),
        ({"tools": [ADD], "tool_choice": {"type": "tool", "name": "none"}}, "tool_choice"),
        ({"tools": [ADD], "tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"tools": [ADD], "tool_choice": {"type": "maybe"}}, "tool_choice.type"),
        ({"tool_choice": {"type": "any"}}, "tool_choice"),
    ],
)
def test_what_is_wrong_is_refused_by_its_place(body: dict[str, Any], place: str) -> None:
    with pytest.raises(RequestError) as refused:
        asked(**body)
    assert refused.value.param == place


def test_many_tools_are_taken() -> None:
    tools = [{**ADD, "name": f"mcp__server__{'x' * 90}_{at}"} for at in range(500)]
    assert len(names(tools=tools)) == 500
