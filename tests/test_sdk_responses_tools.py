"""Function calling and structured output by the official SDK's Responses API, before the demo."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, Literal

import openai
import pytest
from aiohttp import ClientSession
from openai import AsyncOpenAI
from openai.types.responses import Response
from pydantic import BaseModel

from tests.conftest import StartGateway
from tests.gateway import ACCESS_TOKEN, Gateway, read
from tests.response_events import check_response, checked, types_of

WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather of a city, now.",
    "parameters": {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
        },
        "required": ["city", "unit"],
        "additionalProperties": False,
    },
    "strict": True,
}
ADD: Any = {
    "type": "function",
    "name": "add",
    "parameters": {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
    },
    "strict": False,
}
QUESTION = "What is the weather in Paris?"
ARGUMENTS = {"city": "Paris", "unit": "celsius"}


class Trip(BaseModel):
    """The JSON that is asked for."""

    city: str
    days: int
    kind: Literal["train", "plane"]
    stops: list[str]


@pytest.fixture
async def gateway(demo: str, start_gateway: StartGateway) -> Gateway:
    return await start_gateway(demo, upstream={"retries": 0})


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(
        api_key=ACCESS_TOKEN, base_url=f"{gateway.url}/v1", max_retries=0
    ) as made:
        yield made


async def whole(client: AsyncOpenAI, **fields: Any) -> Response:
    """Ask for a whole reply."""
    reply: Response = await client.responses.create(model="gpt-4o", **fields)
    return reply


async def streamed(client: AsyncOpenAI, **fields: Any) -> Response:
    """Ask for a stream, read by the SDK's own accumulator."""
    async with client.responses.stream(model="gpt-4o", **fields) as stream:
        async for _ in stream:
            pass
        return await stream.get_final_response()


async def last_turn(demo: str) -> Any:
    """Return the body of the last turn that reached the upstream."""
    async with ClientSession() as session, session.get(f"{demo}/demo/turns/1") as got:
        return await got.json()


BOTH = pytest.mark.parametrize("ask", [whole, streamed])


@BOTH
async def test_a_function_is_called_and_its_result_goes_on_by_the_responses_id(
    demo: str, client: AsyncOpenAI, ask: Any
) -> None:
    reply = await ask(client, input=QUESTION, tools=[WEATHER, ADD])
    assert reply.status == "completed"
    [call] = reply.output
    assert (call.type, call.name) == ("function_call", "get_weather")
    assert json.loads(call.arguments) == ARGUMENTS
    assert call.call_id.startswith("call_")
    assert call.id.startswith("fc_")
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "19 degrees"}
    final = await ask(client, input=[result], tools=[WEATHER], previous_response_id=reply.id)
    assert "19 degrees" in final.output_text
    turn = await last_turn(demo)
    assert [one["author"]["role"] for one in turn["messages"]] == ["system", "user"]
    assert turn["conversation_id"]


@BOTH
async def test_a_call_and_its_result_may_be_sent_with_the_whole_history(
    client: AsyncOpenAI, ask: Any
) -> None:
    reply = await ask(client, input=QUESTION, tools=[WEATHER], store=False)
    history: list[Any] = [{"role": "user", "content": QUESTION}]
    history += [item.to_dict() for item in reply.output]
    call_id = reply.output[0].call_id
    history.append({"type": "function_call_output", "call_id": call_id, "output": "19 degrees"})
    final = await ask(client, input=history, tools=[WEATHER])
    assert final.output_text == f"Demo answer: get_weather ({call_id}) returned: 19 degrees"


FILES: Any = {
    "type": "namespace",
    "name": "mcp__files",
    "description": "The files of this machine.",
    "tools": [{"type": "function", "name": "list_folder", "parameters": {"type": "object"}}],
}
PATCH: Any = {
    "type": "custom",
    "name": "apply_patch",
    "description": "Edits files.",
    "format": {"type": "grammar", "syntax": "lark", "definition": 'start: "*** Begin Patch"'},
}


@BOTH
async def test_tools_of_namespaces_and_custom_ones_are_called_by_their_own_names(
    client: AsyncOpenAI, ask: Any
) -> None:
    brought = {"type": "additional_tools", "role": "developer", "tools": [FILES]}
    asked = {"role": "user", "content": "List the folder please"}
    rules = {"role": "developer", "content": "Be brief."}
    reply = await ask(
        client, input=[brought, rules, asked], instructions="You code.", tools=[PATCH]
    )
    [call] = reply.output
    assert (call.type, call.namespace, call.name) == ("function_call", "mcp__files", "list_folder")
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "boats.txt"}
    history = [brought, rules, asked, call.to_dict(), result]
    final = await ask(client, input=history, instructions="You code.", tools=[PATCH])
    assert "mcp__files__list_folder" in final.output_text
    assert "boats.txt" in final.output_text

    patched = await ask(client, input="Apply a Patch", tools=[PATCH, FILES])
    [custom] = patched.output
    assert (custom.type, custom.name) == ("custom_tool_call", "apply_patch")
    assert custom.input
    assert not custom.input.startswith("{")
    output = {"type": "custom_tool_call_output", "call_id": custom.call_id, "output": "Patched."}
    ended = await ask(client, input=[output], tools=[PATCH], previous_response_id=patched.id)
    assert "Patched." in ended.output_text


@BOTH
async def test_tools_are_searched_for_by_the_caller_and_then_called(
    client: AsyncOpenAI, ask: Any
) -> None:
    search: Any = {"type": "tool_search", "execution": "client", "parameters": {"type": "object"}}
    asked = {"role": "user", "content": "Search the tools, and list the folder"}
    reply = await ask(client, input=[asked], tools=[search])
    [call] = reply.output
    assert (call.type, call.execution, call.status) == ("tool_search_call", "client", "completed")
    found = {"type": "tool_search_output", "call_id": call.call_id, "tools": [FILES]}
    then = await ask(client, input=[asked, call.to_dict(), found], tools=[search])
    [listing] = then.output
    assert (listing.namespace, listing.name) == ("mcp__files", "list_folder")


async def test_calls_are_told_in_their_own_events(gateway: Gateway) -> None:
    async with gateway.session.post(
        f"{gateway.url}/v1/responses",
        json={
            "model": "gpt-4o",
            "input": "Add 2 and 3 to the weather in Rome, and apply a patch",
            "tools": [WEATHER, ADD, PATCH],
            "stream": True,
        },
        headers={"Authorization": f"Bearer {ACCESS_TOKEN}"},
    ) as response:
        events = checked((await read(response)).body)
    kinds = types_of(events)
    assert kinds.count("function_call_arguments.done") == 2
    assert kinds.count("custom_tool_call_input.done") == 1
    check_response(events[-1]["response"])
    names = {item["name"] for item in events[-1]["response"]["output"]}
    assert names == {"get_weather", "add", "apply_patch"}


@BOTH
async def test_words_and_the_models_own_tools_need_no_call(client: AsyncOpenAI, ask: Any) -> None:
    reply = await ask(client, input="6*7", tools=[WEATHER, {"type": "web_search"}])
    assert reply.output_text == "Demo answer: 6*7=42"


@BOTH
async def test_a_function_that_has_to_be_called_is(client: AsyncOpenAI, ask: Any) -> None:
    required = await ask(client, input="6*7", tools=[WEATHER, ADD], tool_choice="required")
    assert required.output[-1].name == "get_weather"
    named = {"type": "function", "name": "add"}
    chosen = await ask(client, input=QUESTION, tools=[WEATHER, ADD], tool_choice=named)
    assert chosen.output[-1].name == "add"


@BOTH
async def test_a_bad_call_is_repaired(client: AsyncOpenAI, ask: Any) -> None:
    reply = await ask(client, input=f"/scene slip {QUESTION}", tools=[WEATHER])
    assert json.loads(reply.output[-1].arguments) == ARGUMENTS


async def test_a_request_with_a_key_is_repaired_once_for_all_that_join_it(
    demo: str, client: AsyncOpenAI
) -> None:
    fields: Any = {"input": f"/scene slip {QUESTION}", "tools": [WEATHER]}
    key = {"extra_headers": {"Idempotency-Key": "one"}}
    replies = await asyncio.gather(*(whole(client, **fields, **key) for _ in range(2)))
    assert [json.loads(reply.output[-1].arguments) for reply in replies] == [ARGUMENTS] * 2
    async with ClientSession() as session, session.get(f"{demo}/demo/stats") as got:
        assert (await got.json())["turns"]["total"] == 2


@BOTH
async def test_a_model_that_never_calls_well_is_an_error(client: AsyncOpenAI, ask: Any) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await ask(client, input=f"/scene disobedient {QUESTION}", tools=[WEATHER])
    assert caught.value.code == "tool_use_failed"


async def test_json_that_fits_a_model_is_parsed(client: AsyncOpenAI) -> None:
    trip = Trip(city="Rome", days=3, kind="train", stops=["demo"])
    for scene in ("", "/scene slip "):
        asked = f"{scene}Plan 3 days in Rome"
        parsed = await client.responses.parse(model="gpt-4o", input=asked, text_format=Trip)
        assert parsed.output_parsed == trip
        async with client.responses.stream(model="gpt-4o", input=asked, text_format=Trip) as stream:
            final = await stream.get_final_response()
        assert final.output_parsed == trip


@BOTH
async def test_json_that_never_comes_is_an_error_of_its_field(
    client: AsyncOpenAI, ask: Any
) -> None:
    schema = {**Trip.model_json_schema(), "additionalProperties": False}
    trip = {"type": "json_schema", "name": "trip", "strict": True, "schema": schema}
    for wanted in ({"type": "json_object"}, trip):
        with pytest.raises(openai.BadRequestError) as caught:
            await ask(client, input="/scene disobedient", text={"format": wanted})
        assert caught.value.code == "json_validate_failed"
        assert (caught.value.param or "").startswith("text.format")


async def test_a_schema_that_is_none_is_refused_with_its_place(client: AsyncOpenAI) -> None:
    broken = json.loads(json.dumps(WEATHER))
    broken["parameters"]["properties"]["city"] = {"type": "text"}
    with pytest.raises(openai.BadRequestError) as caught:
        await client.responses.create(model="gpt-4o", input=QUESTION, tools=[ADD, broken])
    assert caught.value.param == "tools[1].parameters.properties.city.type"
