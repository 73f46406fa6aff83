from typing import Any

import msgspec
import pytest

from handlers.responses.demand_fields import WireDemand, demand_of
from service.vocabulary.errors import RequestError
from service.vocabulary.requests import Demand, Function, JsonFormat
from tests.rows import each_row

SCHEMA: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}}
WEATHER: dict[str, Any] = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather.",
    "parameters": SCHEMA,
    "strict": True,
}
ADD: dict[str, Any] = {"type": "function", "name": "add", "parameters": None}
SEARCH: dict[str, Any] = {"type": "web_search"}


def demanded(**fields: Any) -> Demand | None:
    return demand_of(msgspec.convert(fields, WireDemand))


def names(**fields: Any) -> list[str]:
    demand = demanded(**fields)
    return [each.name for each in demand.functions] if demand else []


def test_nothing_is_demanded_unless_said() -> None:
    assert demanded() is None
    assert demanded(tools=[], text={"format": {"type": "text"}, "verbosity": "low"}) is None
    assert demanded(text={"format": None}) is None


def test_functions_are_offered() -> None:
    demand = demanded(tools=[WEATHER, ADD], parallel_tool_calls=False)
    assert demand is not None
    weather, add = demand.functions
    assert weather == Function(
        "get_weather", "tools[0].parameters", "The weather.", SCHEMA, is_strict=True
    )
    assert add.parameters == {"type": "object", "properties": {}}
    assert not demand.must_call
    assert not demand.is_parallel
    assert not demand.is_legacy


@each_row(
    ("choice", "offered", "must_call"),
    [
        ("auto", ["get_weather", "add"], False),
        ("none", [], False),
        ("required", ["get_weather", "add"], True),
        ({"type": "function", "name": "add"}, ["add"], True),
        ({"type": "web_search_preview"}, ["get_weather", "add"], False),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [ADD, SEARCH]},
            ["add"],
            True,
        ),
        ({"type": "allowed_tools", "mode": "auto", "tools": [WEATHER]}, ["get_weather"], False),
        ({"type": "allowed_tools", "mode": "required", "tools": [SEARCH]}, [], False),
    ],
)
def test_the_choice_says_which_may_and_whether_one_must(
    choice: Any, offered: list[str], must_call: bool
) -> None:
    demand = demanded(tools=[WEATHER, SEARCH, ADD], tool_choice=choice)
    assert ([each.name for each in demand.functions] if demand else []) == offered
    assert (demand is not None and demand.must_call) == must_call


@each_row(
    "kind",
    ["web_search", "web_search_preview", "web_search_2025_08_26", "code_interpreter"],
)
def test_what_the_model_has_of_its_own_demands_nothing(kind: str) -> None:
    for choice in ("auto", "required", {"type": kind}):
        assert (
            demanded(tools=[{"type": kind}, {"type": "image_generation"}], tool_choice=choice)
            is None
        )
    assert names(tools=[{"type": kind}, ADD]) == ["add"]


def test_json_is_demanded() -> None:
    assert demanded(text={"format": {"type": "json_object"}}) == Demand(
        json_format=JsonFormat("text.format")
    )
    wanted = {
        "type": "json_schema",
        "name": "trip",
        "schema": SCHEMA,
        "strict": True,
        "description": "A trip.",
    }
    assert demanded(text={"format": wanted}) == Demand(
        json_format=JsonFormat("text.format.schema", SCHEMA, "trip", "A trip.", is_strict=True)
    )


@each_row(
    ("fields", "param"),
    [
        ({"tools": [{"type": "file_search"}]}, "tools[0].type"),
        ({"tools": [SEARCH, {"type": "mcp"}]}, "tools[1].type"),
        ({"tools": [{}]}, "tools[0].type"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tools": [{**ADD, "name": "a b"}]}, "tools[0].name"),
        ({"tools": [{**ADD, "parameters": []}]}, "tools[0].parameters"),
        ({"tools": [{**ADD, "parameters": {"type": "array"}}]}, "tools[0].parameters.type"),
        ({"tools": [ADD], "tool_choice": "maybe"}, "tool_choice"),
        ({"tools": [ADD], "tool_choice": {"type": "function", "name": "x"}}, "tool_choice"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"text": {"format": "json"}}, "text.format"),
        ({"text": {"format": {"type": "xml"}}}, "text.format.type"),
        ({"text": {"format": {"type": "json_schema", "name": "x"}}}, "text.format.schema"),
        ({"text": {"format": {"type": "json_schema", "schema": {}}}}, "text.format.name"),
    ],
)
def test_what_is_wrong_is_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(RequestError) as caught:
        demanded(**fields)
    assert caught.value.param == param


def test_a_refused_tool_is_told_in_words_that_clients_know() -> None:
    with pytest.raises(RequestError) as caught:
        demanded(tools=[{"type": "file_search"}])
    assert "tools" in caught.value.message
    assert "not supported" in caught.value.message
    assert caught.value.code == "unsupported_parameter"


def test_other_tools_may_be_there_if_none_is_to_be_used() -> None:
    assert demanded(tools=[{"type": "mcp"}], tool_choice="none") is None


def test_a_tool_of_a_namespace_is_chosen_by_both_its_names() -> None:
    files = {"type": "namespace", "name": "files", "tools": [ADD, {"type": "custom", "name": "go"}]}
    choices: list[tuple[Any, list[str]]] = [
        ({"type": "function", "name": "add", "namespace": "files"}, ["files__add"]),
        ({"type": "custom", "name": "go", "namespace": "files"}, ["files__go"]),
        ({"type": "function", "name": "add"}, ["add"]),
    ]
    for choice, offered in choices:
        assert names(tools=[files, ADD], tool_choice=choice) == offered
        allowed = {"type": "allowed_tools", "mode": "auto", "tools": [choice]}
        assert names(tools=[files, ADD], tool_choice=allowed) == offered


def test_tools_may_come_in_the_input() -> None:
    items = [{"type": "additional_tools", "tools": [ADD]}]
    demand = demand_of(WireDemand(), items)
    assert demand is not None
    assert [(each.name, each.path) for each in demand.functions] == [
        ("add", "input[0].tools[0].parameters")
    ]
