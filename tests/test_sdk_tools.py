"""Function calling and structured output with the official SDK, against the demo upstream."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, Literal

import openai
import pytest
from aiohttp import ClientSession
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletion
from pydantic import BaseModel

from tests.conftest import StartGateway
from tests.gateway import ACCESS_TOKEN, Gateway

WEATHER: Any = {
    "type": "function",
    "function": {
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
    },
}
ADD: Any = {
    "type": "function",
    "function": {
        "name": "add",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
            "required": ["a", "b"],
        },
    },
}
QUESTION = "What is the weather in Paris?"
ARGUMENTS = {"city": "Paris", "unit": "celsius"}


class Trip(BaseModel):
    """The JSON that is asked for."""

    city: str
    days: int
    kind: Literal["train", "plane"]
    stops: list[str]


def user(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


@pytest.fixture
async def gateway(demo: str, start_gateway: StartGateway) -> Gateway:
    return await start_gateway(demo, upstream={"retries": 0})


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(
        api_key=ACCESS_TOKEN, base_url=f"{gateway.url}/v1", max_retries=0
    ) as made:
        yield made


async def bodies(demo: str) -> list[Any]:
    """Return the bodies of the turns that reached the upstream, in order."""
    async with ClientSession() as session:
        async with session.get(f"{demo}/demo/stats") as got:
            count = (await got.json())["turns"]["total"]
        found = []
        for at in range(count, 0, -1):
            async with session.get(f"{demo}/demo/turns/{at}") as got:
                found.append(await got.json())
    return found


async def streamed(client: AsyncOpenAI, **fields: Any) -> ChatCompletion:
    """Ask for a stream, read by the SDK's own accumulator."""
    async with client.chat.completions.stream(model="gpt-4o", **fields) as stream:
        async for _ in stream:
            pass
        return await stream.get_final_completion()


async def whole(client: AsyncOpenAI, **fields: Any) -> ChatCompletion:
    """Ask for a whole reply and return the `ChatCompletion`."""
    reply: ChatCompletion = await client.chat.completions.create(model="gpt-4o", **fields)
    return reply


BOTH = pytest.mark.parametrize("ask", [whole, streamed])


@BOTH
async def test_a_tool_is_called_and_its_result_becomes_the_answer(
    client: AsyncOpenAI, ask: Any
) -> None:
    reply = await ask(client, messages=user(QUESTION), tools=[WEATHER, ADD])
    choice = reply.choices[0]
    assert choice.finish_reason == "tool_calls"
    assert not choice.message.content
    [call] = choice.message.tool_calls
    assert call.id.startswith("call_")
    assert (call.type, call.function.name) == ("function", "get_weather")
    assert json.loads(call.function.arguments) == ARGUMENTS
    result = {"role": "tool", "tool_call_id": call.id, "content": "19 degrees, windy"}
    asked = {"role": "assistant", "content": None, "tool_calls": [call.model_dump()]}
    final = await ask(client, messages=[*user(QUESTION), asked, result], tools=[WEATHER])
    assert final.choices[0].finish_reason == "stop"
    assert final.choices[0].message.content == (
        f"Demo answer: get_weather ({call.id}) returned: 19 degrees, windy"
    )
    assert final.choices[0].message.tool_calls is None


@BOTH
async def test_several_tools_are_called_at_once_unless_that_is_not_wanted(
    client: AsyncOpenAI, ask: Any
) -> None:
    both = {"messages": user("Add 2 and 3 to the weather in Rome"), "tools": [WEATHER, ADD]}
    calls = (await ask(client, **both)).choices[0].message.tool_calls
    assert [call.function.name for call in calls] == ["get_weather", "add"]
    assert json.loads(calls[1].function.arguments) == {"a": 2, "b": 3}
    assert len({call.id for call in calls}) == 2
    reply = await ask(client, **both, parallel_tool_calls=False)
    assert len(reply.choices[0].message.tool_calls) == 1


@BOTH
async def test_words_are_an_answer_where_no_tool_has_to_be_called(
    client: AsyncOpenAI, ask: Any
) -> None:
    reply = await ask(client, messages=user("6*7"), tools=[WEATHER])
    assert reply.choices[0].message.content == "Demo answer: 6*7=42"
    assert reply.choices[0].finish_reason == "stop"


@BOTH
async def test_a_tool_that_has_to_be_called_is(client: AsyncOpenAI, ask: Any) -> None:
    required = await ask(client, messages=user("6*7"), tools=[WEATHER, ADD], tool_choice="required")
    assert required.choices[0].message.tool_calls[0].function.name == "get_weather"
    named: Any = {"type": "function", "function": {"name": "add"}}
    chosen = await ask(client, messages=user(QUESTION), tools=[WEATHER, ADD], tool_choice=named)
    assert chosen.choices[0].message.tool_calls[0].function.name == "add"
    none = await ask(client, messages=user("6*7"), tools=[WEATHER], tool_choice="none")
    assert none.choices[0].message.content == "Demo answer: 6*7=42"


@BOTH
async def test_a_bad_call_is_repaired_in_the_same_conversation(
    demo: str, client: AsyncOpenAI, ask: Any
) -> None:
    reply = await ask(client, messages=user(f"/scene slip {QUESTION}"), tools=[WEATHER])
    message = reply.choices[0].message
    assert json.loads(message.tool_calls[0].function.arguments) == ARGUMENTS
    assert not message.content
    first, second = (await bodies(demo))[-2:]
    assert second["conversation_id"]
    if ask is whole:
        assert second["conversation_id"] == reply.conversation_id
    assert "conversation_id" not in first
    [correction] = second["messages"]
    assert "could not be used" in correction["content"]["parts"][0]
    assert second["parent_message_id"] != first["parent_message_id"]


@BOTH
async def test_a_model_that_never_calls_well_is_an_error_that_nobody_retries(
    gateway: Gateway, demo: str, ask: Any
) -> None:
    async with AsyncOpenAI(
        api_key=ACCESS_TOKEN, base_url=f"{gateway.url}/v1", max_retries=3
    ) as client:
        before = len(await bodies(demo))
        with pytest.raises(openai.BadRequestError) as caught:
            await ask(client, messages=user(f"/scene disobedient {QUESTION}"), tools=[WEATHER])
    assert caught.value.code == "tool_use_failed"
    assert caught.value.param == "tools"
    assert "even when it was corrected" in caught.value.message
    assert len(await bodies(demo)) == before + 2


async def test_text_before_a_call_is_streamed_and_the_call_comes_last(gateway: Gateway) -> None:
    answer = await gateway.chat(QUESTION, tools=[WEATHER], stream=True)
    deltas = [event["choices"][0]["delta"] for event in answer.events[:-1]]
    assert deltas[0] == {"role": "assistant"}  # a call may come with no text before it
    call = deltas[1]["tool_calls"][0]
    assert (call["index"], call["type"], call["function"]["arguments"]) == (0, "function", "")
    assert json.loads(deltas[2]["tool_calls"][0]["function"]["arguments"]) == ARGUMENTS
    assert deltas[3] == {}
    assert answer.finish == "tool_calls"


async def test_the_form_before_tools_is_spoken_as_well(gateway: Gateway) -> None:
    functions = [WEATHER["function"], ADD["function"]]
    reply = (await gateway.chat(QUESTION, functions=functions)).json["choices"][0]
    assert reply["finish_reason"] == "function_call"
    called = reply["message"]["function_call"]
    assert (called["name"], json.loads(called["arguments"])) == ("get_weather", ARGUMENTS)
    assert reply["message"]["content"] is None
    answer = await gateway.chat(
        QUESTION, functions=functions, function_call={"name": "add"}, stream=True
    )
    assert answer.finish == "function_call"
    assert "tool_calls" not in answer.body.decode()
    history = [
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": None, "function_call": called},
        {"role": "function", "name": "get_weather", "content": "19 degrees"},
    ]
    final = await gateway.chat(messages=history, functions=functions)
    assert final.text == "Demo answer: get_weather returned: 19 degrees"


# --- JSON -----------------------------------------------------------------------------


TRIP_SCHEMA = {**Trip.model_json_schema(), "additionalProperties": False}
TRIP = Trip(city="Rome", days=3, kind="train", stops=["demo"])


async def test_json_that_fits_a_model_is_parsed_repaired_or_not(client: AsyncOpenAI) -> None:
    for scene in ("", "/scene slip "):
        asked = user(f"{scene}Plan 3 days in Rome")
        parsed = await client.chat.completions.parse(
            model="gpt-4o", messages=asked, response_format=Trip
        )
        assert parsed.choices[0].message.parsed == TRIP
        assert parsed.choices[0].finish_reason == "stop"
        async with client.chat.completions.stream(
            model="gpt-4o", messages=asked, response_format=Trip
        ) as stream:
            events = [event.type async for event in stream]
            final = await stream.get_final_completion()
        assert final.choices[0].message.parsed == TRIP
        assert events.count("content.done") == 1


@BOTH
async def test_any_json_object_can_be_asked_for(client: AsyncOpenAI, ask: Any) -> None:
    reply = await ask(client, messages=user("6*7"), response_format={"type": "json_object"})
    assert isinstance(json.loads(reply.choices[0].message.content), dict)


@BOTH
async def test_json_that_never_comes_is_an_error_that_nobody_retries(
    client: AsyncOpenAI, ask: Any
) -> None:
    trip = {"name": "trip", "strict": True, "schema": TRIP_SCHEMA}
    for wanted in ({"type": "json_object"}, {"type": "json_schema", "json_schema": trip}):
        with pytest.raises(openai.BadRequestError, match="not JSON") as caught:
            await ask(client, messages=user("/scene disobedient 6*7"), response_format=wanted)
        assert caught.value.code == "json_validate_failed"
        assert (caught.value.param or "").startswith("response_format")


async def test_a_whole_failure_has_the_text_that_was_refused(gateway: Gateway) -> None:
    answer = await gateway.chat("/scene disobedient", response_format={"type": "json_object"})
    assert answer.status == 400
    assert answer.text.startswith("Demo: I would rather")


async def test_a_schema_or_calls_as_the_model_sees_fit(client: AsyncOpenAI) -> None:
    called = await client.chat.completions.parse(
        model="gpt-4o", messages=user(QUESTION), tools=[WEATHER], response_format=Trip
    )
    calls = called.choices[0].message.tool_calls
    assert calls
    assert calls[0].function.name == "get_weather"
    assert called.choices[0].message.parsed is None
    told = await client.chat.completions.parse(
        model="gpt-4o", messages=user("Plan 2 days"), tools=[WEATHER], response_format=Trip
    )
    assert told.choices[0].message.parsed == Trip(city="demo", days=2, kind="train", stops=["demo"])


# --- where nothing is kept --------------------------------------------------------------


@pytest.mark.parametrize("setting", ["temporary", "delete_after_response"])
async def test_where_nothing_is_kept_the_history_is_sent_again(
    demo: str, start_gateway: StartGateway, setting: str
) -> None:
    gateway = await start_gateway(demo, conversation={setting: True})
    answer = await gateway.chat(f"/scene slip {QUESTION}", tools=[WEATHER])
    assert answer.finish == "tool_calls"
    first, second = (await bodies(demo))[-2:]
    assert "conversation_id" not in second
    roles = [message["author"]["role"] for message in second["messages"]]
    assert roles == ["system", "user", "assistant", "user"]
    assert second["messages"][1]["content"] == first["messages"][1]["content"]


# --- what is refused --------------------------------------------------------------------


async def test_a_schema_that_is_none_is_refused_with_its_place(client: AsyncOpenAI) -> None:
    broken = json.loads(json.dumps(WEATHER))
    broken["function"]["parameters"]["properties"]["city"] = {"type": "text"}
    with pytest.raises(openai.BadRequestError) as caught:
        await client.chat.completions.create(
            model="gpt-4o", messages=user(QUESTION), tools=[ADD, broken]
        )
    place = "tools[1].function.parameters.properties.city.type"
    assert caught.value.param == place
    assert place in caught.value.message
    with pytest.raises(openai.BadRequestError) as caught:
        await client.chat.completions.create(
            model="gpt-4o",
            messages=user(QUESTION),
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "x", "schema": {"$ref": "http://127.0.0.1:9/x"}},
            },
        )
    assert caught.value.param == "response_format.json_schema.schema.$ref"


async def test_usage_counts_the_instructions_and_the_repair(gateway: Gateway) -> None:
    plain = (await gateway.chat(QUESTION)).json["usage"]
    told = (await gateway.chat(QUESTION, tools=[WEATHER])).json["usage"]
    slipped = (await gateway.chat(f"/scene slip {QUESTION}", tools=[WEATHER])).json["usage"]
    assert told["prompt_tokens"] > plain["prompt_tokens"] + 100
    assert slipped["prompt_tokens"] > told["prompt_tokens"] + 50
    assert slipped["completion_tokens"] > told["completion_tokens"] + 10


async def test_a_request_that_joins_another_gets_its_repaired_call(
    gateway: Gateway, demo: str
) -> None:
    key = {"Idempotency-Key": "one"}
    asked = [
        gateway.chat(f"/scene slip {QUESTION}", headers=key, tools=[WEATHER]) for _ in range(2)
    ]
    for answer in await asyncio.gather(*asked):
        assert answer.finish == "tool_calls"
    assert len(await bodies(demo)) == 2
