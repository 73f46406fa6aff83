"""The demands of a chat completion: read, checked, told to the model, or refused."""

from typing import Any

import msgspec
import pytest

from handlers.reading.demand_fields import WireDemand, checked, demand_of
from service.vocabulary.errors import RequestError
from service.vocabulary.events import AnswerStarted, ToolCallText, ToolResult
from service.vocabulary.requests import (
    ChatMessage,
    ChatRequest,
    Demand,
    Function,
    JsonFormat,
    Profile,
    TextPart,
)
from tests.handlers.conftest import Serve
from tests.handlers.scripted import BEARER, Surroundings, says
from tests.rows import each_row

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
ADD = {"name": "add", "description": "Adds.", "parameters": SCHEMA, "strict": True}
NOW = {"name": "now"}
TOOLS = [{"type": "function", "function": ADD}, {"type": "function", "function": NOW}]
FORMAT = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA, "strict": True}}
NAMED = {"type": "function", "function": {"name": "now"}}


def demand(**fields: Any) -> Demand | None:
    return demand_of(msgspec.convert(fields, WireDemand))


def refused(**fields: Any) -> RequestError:
    with pytest.raises(RequestError) as caught:
        demand(**fields)
    return caught.value


def names(**fields: Any) -> list[str]:
    found = demand(**fields)
    assert found is not None
    return [function.name for function in found.functions]


@each_row(
    "fields",
    [
        {},
        {"tools": []},
        {"functions": []},
        {"tools": TOOLS, "tool_choice": "none"},
        {"functions": [ADD], "function_call": "none"},
        {"response_format": {"type": "text"}},
        {"parallel_tool_calls": True},
        {"tool_choice": "auto"},
    ],
)
def test_nothing_is_demanded_where_nothing_is_asked_for(fields: dict[str, Any]) -> None:
    assert demand(**fields) is None


def test_tools_are_functions_with_the_place_of_their_schema() -> None:
    found = demand(tools=TOOLS)
    assert found == Demand(
        (
            Function("add", "tools[0].function.parameters", "Adds.", SCHEMA, is_strict=True),
            Function(
                "now",
                "tools[1].function.parameters",
                "",
                {"type": "object", "properties": {}},
            ),
        )
    )


def test_a_choice_says_what_may_and_what_must_be_called() -> None:
    required = demand(tools=TOOLS, tool_choice="required")
    assert required is not None
    assert required.must_call
    named = demand(tools=TOOLS, tool_choice=NAMED)
    assert named is not None
    assert named.must_call
    assert names(tools=TOOLS, tool_choice=NAMED) == ["now"]
    allowed: Any = {"mode": "auto", "tools": [NAMED]}
    choice = {"type": "allowed_tools", "allowed_tools": allowed}
    some = demand(tools=TOOLS, tool_choice=choice)
    assert some is not None
    assert not some.must_call
    assert names(tools=TOOLS, tool_choice=choice) == ["now"]
    single = demand(tools=TOOLS, parallel_tool_calls=False)
    assert single is not None
    assert not single.is_parallel


def test_functions_are_the_form_before_tools_and_are_called_one_at_a_time() -> None:
    found = demand(functions=[ADD, NOW], function_call={"name": "add"})
    assert found is not None
    assert (found.is_legacy, found.is_parallel, found.must_call) == (True, False, True)
    assert found.functions == (
        Function("add", "functions[0].parameters", "Adds.", SCHEMA, is_strict=True),
    )


def test_a_format_is_an_object_or_a_schema() -> None:
    assert demand(response_format={"type": "json_object"}) == Demand(
        json_format=JsonFormat("response_format")
    )
    assert demand(response_format=FORMAT) == Demand(
        json_format=JsonFormat("response_format.json_schema.schema", SCHEMA, "x", is_strict=True)
    )


@each_row("name", ["schema", "value"])
def test_a_schema_beside_a_json_object_is_demanded(name: str) -> None:
    found = demand(response_format={"type": "json_object", name: SCHEMA})
    assert found == Demand(json_format=JsonFormat(f"response_format.{name}", SCHEMA))


WRONG_DEMANDS: list[tuple[dict[str, Any], str]] = [
    ({"tools": [{"type": "function"}]}, "tools[0].function"),
    ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
    ({"tools": [{"type": "function", "function": {"name": ""}}]}, "tools[0].function.name"),
    ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools[0].function.name"),
    ({"functions": [{"name": "x" * 129}]}, "functions[0].name"),
    (
        {"functions": [{"name": "x", "parameters": {"type": "array"}}]},
        "functions[0].parameters.type",
    ),
    ({"tools": [*TOOLS, TOOLS[0]]}, "tools[2].function.name"),
    ({"tools": [TOOLS[0]] * 129}, "tools"),
    ({"tool_choice": "required"}, "tool_choice"),
    ({"tools": TOOLS, "tool_choice": "always"}, "tool_choice"),
    ({"tools": TOOLS, "tool_choice": {"type": "function"}}, "tool_choice"),
    (
        {"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "fly"}}},
        "tool_choice",
    ),
    (
        {
            "tools": TOOLS,
            "tool_choice": {"type": "allowed_tools", "allowed_tools": {"tools": [1]}},
        },
        "tool_choice.allowed_tools.tools[0]",
    ),
    ({"functions": [ADD], "function_call": "required"}, "function_call"),
    ({"functions": [ADD], "function_call": {"name": "fly"}}, "function_call"),
    ({"response_format": {"type": "xml"}}, "response_format.type"),
    ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
    (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}},
        "response_format.json_schema.schema",
    ),
    (
        {"response_format": {"type": "json_schema", "json_schema": {"schema": SCHEMA}}},
        "response_format.json_schema.name",
    ),
]


@each_row(
    ("fields", "param"),
    WRONG_DEMANDS,
)
def test_what_cannot_be_demanded_is_refused(fields: dict[str, Any], param: str) -> None:
    assert refused(**fields).param == param


def test_other_kinds_of_tools_are_refused_in_words_that_clients_look_for() -> None:
    message = refused(tools=[{"type": "code_interpreter"}]).message
    assert "tools are not supported" in message


def asked(demand: Demand | None) -> ChatRequest:
    return ChatRequest(
        request_id="r",
        model="m",
        messages=(ChatMessage("user", (TextPart("Hi"),)),),
        is_stream=False,
        is_usage_wanted=False,
        profile=Profile.WEB,
        public_url="",
        received_at=0,
        demand=demand,
    )


async def test_a_demand_that_can_be_met_changes_nothing() -> None:
    for chat in (asked(None), asked(demand(tools=TOOLS))):
        assert await checked(chat, is_native=False) is chat


SCHEMAS: list[tuple[dict[str, Any], str | None]] = [
    (
        {"tools": [TOOLS[1], {"type": "function", "function": {**ADD, "parameters": {}}}]},
        None,
    ),
    (
        {
            "tools": [
                {
                    "type": "function",
                    "function": {"name": "f", "parameters": {"properties": {"x": 5}}},
                }
            ]
        },
        "tools[0].function.parameters.properties.x",
    ),
    (
        {"functions": [{"name": "f", "parameters": {"properties": {"x": {"type": "int"}}}}]},
        "functions[0].parameters.properties.x.type",
    ),
    (
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "x", "schema": {"required": 1}},
            }
        },
        "response_format.json_schema.schema.required",
    ),
]


@each_row(
    ("fields", "param"),
    SCHEMAS,
)
async def test_a_schema_that_is_none_is_refused_with_its_place(
    fields: dict[str, Any], param: str | None
) -> None:
    request = asked(demand(**fields))
    if param is None:
        await checked(request, is_native=False)
        return
    with pytest.raises(RequestError) as caught:
        await checked(request, is_native=False)
    assert (caught.value.param, caught.value.code) == (param, "invalid_json_schema")
    assert param in caught.value.message


async def test_code_of_the_upstreams_own_tools_is_shown_and_called_by_nobody(
    serve: Serve, around: Surroundings
) -> None:
    call = '<tool_call>{"name": "add", "arguments": {"a": 1}}</tool_call>'
    around.turns.script = [
        [
            AnswerStarted("m"),
            ToolCallText("t", "python", call, is_last=True),
            ToolResult(call),
        ],
        *says("Done."),
    ]
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "tools": TOOLS}
    client = await serve()
    for profile in ("web", "bot", "raw"):
        sent = {**body, "render_profile": profile}
        reply = await (await client.post("/v1/chat/completions", json=sent, headers=BEARER)).json()
        message = reply["choices"][0]["message"]
        assert "tool_calls" not in message
        assert (call in message["content"]) == (profile == "web")
        assert message["content"].endswith("Done.")
