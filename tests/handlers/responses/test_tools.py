from typing import Any

import pytest

from handlers.responses.tools import all_tools, echoed_tool, functions_of, is_built_in, joined_name
from service.vocabulary.errors import RequestError
from service.vocabulary.requests import Function
from tests.rows import each_row

SCHEMA: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}}
WEATHER: dict[str, Any] = {"type": "function", "name": "get_weather", "parameters": SCHEMA}
PATCH: dict[str, Any] = {
    "type": "custom",
    "name": "apply_patch",
    "description": "Edits files.",
    "format": {"type": "grammar", "syntax": "lark", "definition": 'start: "x"'},
}
AGENTS: dict[str, Any] = {
    "type": "namespace",
    "name": "agents",
    "description": "Other agents.",
    "tools": [{**WEATHER, "name": "spawn", "description": "Starts one."}, PATCH],
}


def functions(*tools: Any, is_limited: bool = True) -> list[Function]:
    return functions_of(
        [(f"tools[{at}]", tool) for at, tool in enumerate(tools)], is_limited=is_limited
    )


def test_a_custom_tool_is_a_function_of_one_text_with_its_grammar_in_words() -> None:
    (made,) = functions(PATCH)
    assert (made.name, made.is_custom) == ("apply_patch", True)
    assert list(made.parameters["properties"]) == made.parameters["required"] == ["input"]
    assert made.description == (
        'Edits files.\n"input" is text that fits this lark grammar:\nstart: "x"'
    )
    (plain,) = functions({"type": "custom", "name": "say"})
    assert plain.description == '"input" is plain text.'


def test_the_tools_of_a_namespace_are_joined_with_its_name() -> None:
    spawn, patch = functions(AGENTS)
    assert (spawn.name, spawn.namespace, spawn.own_name) == ("agents__spawn", "agents", "spawn")
    assert spawn.description == "Other agents.\nStarts one."
    assert spawn.path == "tools[0].tools[0].parameters"
    assert (patch.name, patch.is_custom) == ("agents__apply_patch", True)
    assert "Other agents" not in patch.description


def test_a_search_that_the_caller_runs_is_a_function_and_what_it_finds_twice_is_one() -> None:
    search = {"type": "tool_search", "execution": "client", "parameters": SCHEMA}
    found = {"type": "tool_search_output", "call_id": "c", "tools": [AGENTS]}
    tools = all_tools([search], [found, {**found, "tools": [AGENTS, WEATHER]}])
    made = functions_of(tools, is_limited=True)
    names = ["tool_search", "agents__spawn", "agents__apply_patch", "get_weather"]
    assert [function.name for function in made] == names
    assert [function.is_search for function in made] == [True, False, False, False]
    assert functions(search, is_limited=False) == []  # the back end has its own
    with pytest.raises(RequestError) as caught:
        functions({"type": "tool_search"})
    assert caught.value.param == "tools[0].type"


def test_tools_of_the_input_are_tools_as_well() -> None:
    items = [{"type": "message"}, {"type": "additional_tools", "tools": [PATCH, WEATHER]}]
    assert all_tools([WEATHER], items) == [
        ("tools[0]", WEATHER),
        ("input[1].tools[0]", PATCH),
        ("input[1].tools[1]", WEATHER),
    ]
    with pytest.raises(RequestError) as caught:
        all_tools(None, [{"type": "additional_tools", "tools": "none"}])
    assert caught.value.param == "input[0].tools"


@each_row(
    ("tool", "param"),
    [
        ({"type": "custom"}, "tools[0].name"),
        ({"type": "custom", "name": "a b"}, "tools[0].name"),
        ({"type": "custom", "name": "a", "format": "x"}, "tools[0].format"),
        ({"type": "namespace", "name": "a"}, "tools[0].tools"),
        ({**AGENTS, "name": "a b"}, "tools[0].name"),
        ({**AGENTS, "tools": [{"type": "namespace"}]}, "tools[0].tools[0].type"),
        ({**AGENTS, "tools": [{**WEATHER, "name": ""}]}, "tools[0].tools[0].name"),
        ({"type": "local_shell"}, "tools[0].type"),
        ({"type": 1}, "tools[0].type"),
    ],
)
def test_what_is_wrong_is_named(tool: dict[str, Any], param: str) -> None:
    with pytest.raises(RequestError) as caught:
        functions(tool)
    assert caught.value.param == param


def test_what_the_model_has_of_its_own_is_no_function() -> None:
    assert functions({"type": "web_search_preview"}, {"type": "image_generation"}) == []
    assert functions({"type": "mcp"}, is_limited=False) == []
    assert is_built_in("image_generation")
    assert not is_built_in("custom")


def test_names_are_joined_only_with_a_namespace() -> None:
    assert joined_name("list", "mcp__files") == "mcp__files__list"
    assert joined_name("list", None) == joined_name("list", "") == "list"


def test_a_function_is_repeated_with_all_its_keys() -> None:
    whole = {**WEATHER, "description": None, "strict": None}
    assert echoed_tool(WEATHER) == whole
    assert echoed_tool(PATCH) is PATCH
