"""What clients require of responses, tool calls and old paths: openai-wire 11, by the numbers."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from openai.types.responses import Response

from tests.gateway import ACCESS_TOKEN, Answer, Gateway, read

BEARER = {"Authorization": f"Bearer {ACCESS_TOKEN}"}
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Tell the weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}


async def respond(gateway: Gateway, text: str, **body: Any) -> Answer:
    asked = {"model": "gpt-4o", "input": text, **body}
    url = f"{gateway.url}/v1/responses"
    async with gateway.session.post(url, json=asked, headers=BEARER) as response:
        return await read(response)


def named_events(answer: Answer) -> list[tuple[str, dict[str, Any]]]:
    """The events of a stream that names them: name and data."""
    found = []
    for block in answer.body.decode().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line[:8])
        if "data" in lines and lines["data"] != "[DONE]":
            found.append((lines.get("event", ""), json.loads(lines["data"])))
    return found


# --- tool calls -----------------------------------------------------------------------


async def test_rule_15_a_call_is_named_once_and_its_arguments_are_text(gateway: Gateway) -> None:
    asked: dict[str, Any] = {"tools": [WEATHER], "tool_choice": "required"}
    answer = await gateway.chat("What is the weather in Paris?", stream=True, **asked)
    choices = [one for event in answer.events[:-1] for one in event["choices"]]
    calls = [call for one in choices for call in one["delta"].get("tool_calls", ())]
    first, *others = [call for call in calls if call["index"] == 0]
    assert first["id"]
    assert first["type"] == "function"
    assert first["function"]["name"] == "get_weather"
    assert all(isinstance(call["function"].get("arguments", ""), str) for call in calls)
    assert isinstance(first["function"]["arguments"], str)
    for call in others:
        assert not {"id", "type"} & call.keys()
        assert "name" not in call["function"]
    arguments = "".join(call["function"].get("arguments", "") for call in [first, *others])
    assert "city" in json.loads(arguments)
    assert answer.finish == "tool_calls"
    assert sorted({call["index"] for call in calls}) == list(
        range(len({c["index"] for c in calls}))
    )


async def test_rule_35_tools_that_cannot_be_had_are_told_not_to_be_supported(
    gateway: Gateway,
) -> None:
    answer = await gateway.chat(tools=[{"type": "custom", "custom": {"name": "shell"}}])
    assert answer.status == 400
    message = answer.json["error"]["message"].lower()
    assert "tool" in message
    assert "not supported" in message


# --- responses ------------------------------------------------------------------------


async def test_rule_43_responses_are_served_whole_and_streamed(gateway: Gateway) -> None:
    whole = await respond(gateway, "6*7")
    assert whole.status == 200
    body = whole.json
    required = {
        "id",
        "object",
        "created_at",
        "model",
        "output",
        "parallel_tool_calls",
        "tool_choice",
        "tools",
        "error",
        "incomplete_details",
        "instructions",
        "metadata",
        "temperature",
        "top_p",
    }
    assert required <= body.keys()
    assert Response.model_validate(body).output_text.endswith("42")
    assert body["usage"]["total_tokens"] > 0
    streamed = await respond(gateway, "6*7", stream=True)
    assert streamed.headers["Content-Type"].startswith("text/event-stream")
    last = named_events(streamed)[-1][1]
    assert last["type"] == "response.completed"
    assert Response.model_validate(last["response"]).output_text.endswith("42")


@pytest.mark.parametrize("question", ["6*7", "think about boats", "search for boats"])
async def test_rule_44_events_are_numbered_named_and_in_order(
    question: str, gateway: Gateway
) -> None:
    events = named_events(await respond(gateway, question, stream=True))
    assert [data["sequence_number"] for _, data in events] == list(range(len(events)))
    assert all(name == data["type"] for name, data in events)
    assert events[0][0] == "response.created"
    assert events[-1][0] == "response.completed"
    assert len({data["response"]["id"] for _, data in events if "response" in data}) == 1
    added = [data["item"]["id"] for name, data in events if name == "response.output_item.added"]
    done = [data["item"]["id"] for name, data in events if name == "response.output_item.done"]
    final = [item["id"] for item in events[-1][1]["response"]["output"]]
    assert added == done == final
    for name, data in events:
        if name == "response.output_text.delta":
            assert data["item_id"] in added
            assert data["logprobs"] == []


async def test_rule_45_a_response_says_what_it_is(gateway: Gateway) -> None:
    body = (await respond(gateway, "6*7")).json
    assert body["object"] == "response"
    assert isinstance(body["output"], list)


# --- old paths ------------------------------------------------------------------------


async def test_rule_51_the_billing_paths_of_balance_buttons_answer(gateway: Gateway) -> None:
    for path in ("/dashboard/billing/subscription", "/dashboard/billing/usage"):
        url = f"{gateway.url}{path}?start_date=2026-11-01&end_date=2026-11-22"
        async with gateway.session.get(url, headers=BEARER) as response:
            assert response.status == 200
            assert response.content_type == "application/json"
            body = await response.json()
        key = "hard_limit_usd" if path.endswith("subscription") else "total_usage"
        assert isinstance(body[key], int | float)


# --- all of them ----------------------------------------------------------------------


def test_every_rule_has_a_check_that_names_its_number() -> None:
    found: set[int] = set()
    for path in Path(__file__).parent.glob("test_*.py"):
        text = path.read_text("utf-8")
        found |= {int(number) for number in re.findall(r"def test_rule_(\d\d)_", text)}
    assert sorted(set(range(1, 53)) - found) == []
