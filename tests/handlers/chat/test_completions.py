from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from tests.conftest import StartGateway
from tests.gateway import ACCESS_TOKEN, Answer, Gateway, read
from tests.scripted_upstream import DONE, Abort, ScriptedUpstream, answer, final

HEADERS = {"Authorization": f"Bearer {ACCESS_TOKEN}"}


async def complete(gateway: Gateway, prompt: Any = "Say hello", **body: Any) -> Answer:
    async with gateway.session.post(
        f"{gateway.url}/v1/completions",
        json={"model": "gpt-4o", "prompt": prompt, **body},
        headers=HEADERS,
    ) as response:
        return await read(response)


@pytest.fixture
async def gateway(scripted: ScriptedUpstream, start_gateway: StartGateway) -> Gateway:
    scripted.plays(answer("Hel"), final("Hello"), DONE)
    return await start_gateway(scripted.url)


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(
        api_key=ACCESS_TOKEN, base_url=f"{gateway.url}/v1", max_retries=0
    ) as made:
        yield made


@pytest.mark.parametrize("prompt", ["Say hello", ["Say hello"]])
async def test_a_prompt_is_completed(
    prompt: Any, client: AsyncOpenAI, scripted: ScriptedUpstream
) -> None:
    reply = await client.completions.create(model="gpt-4o", prompt=prompt)
    openai.types.Completion.model_validate(reply.to_dict())
    assert reply.id.startswith("cmpl-")
    assert reply.object == "text_completion"
    assert (reply.choices[0].text, reply.choices[0].finish_reason) == ("Hello", "stop")
    assert reply.usage is not None
    assert reply.usage.completion_tokens > 0
    (message,) = scripted.turns[0].body["messages"]
    assert message["content"]["parts"] == ["Say hello"]


async def test_a_completion_streams(client: AsyncOpenAI, gateway: Gateway) -> None:
    stream = await client.completions.create(
        model="gpt-4o", prompt="x", stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == "Hello"
    assert chunks[-1].usage is not None
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert await gateway.outcomes() == {"complete": 1}


async def test_the_prompt_is_echoed_on_request(gateway: Gateway) -> None:
    reply = await complete(gateway, echo=True)
    assert reply.json["choices"][0]["text"] == "Say helloHello"
    streamed = await complete(gateway, echo=True, stream=True)
    texts = [event["choices"][0]["text"] for event in streamed.events if event != "[DONE]"]
    assert "".join(texts) == "Say helloHello"


async def test_limits_are_kept(gateway: Gateway) -> None:
    stopped = await complete(gateway, stop="lo")
    assert stopped.json["choices"][0]["text"] == "Hel"
    assert (await complete(gateway, max_tokens=1)).status == 200


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": []}, "prompt"),
        ({"prompt": ["a", "b"]}, "prompt"),
        ({"prompt": [1, 2]}, "prompt"),
        ({"prompt": [[1, 2]]}, "prompt"),
        ({"prompt": None}, "prompt"),
        ({"n": 2}, "n"),
        ({"best_of": 3}, "best_of"),
        ({"suffix": "end"}, "suffix"),
        ({"temperature": -1}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"model": ""}, "model"),
        ({"stop": list("abcde")}, "stop"),
    ],
)
async def test_what_cannot_be_had_is_refused(
    fields: dict[str, Any], param: str, gateway: Gateway, scripted: ScriptedUpstream
) -> None:
    got = await complete(gateway, **fields)
    assert (got.status, got.json["error"]["param"]) == (400, param)
    assert scripted.turns == []


async def test_ignored_fields_are_named(gateway: Gateway) -> None:
    got = await complete(gateway, temperature=0, best_of=1, user="me")
    assert got.headers["x-ignored-fields"] == "temperature, user"


@pytest.mark.parametrize("is_stream", [True, False])
async def test_a_cut_answer_is_an_error_with_the_text_that_came(
    is_stream: bool, scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(answer("Hel"), Abort())
    gateway = await start_gateway(scripted.url)
    got = await complete(gateway, stream=is_stream)
    error = got.error
    assert error is not None
    assert error["code"] == "upstream_cut"
    if is_stream:
        assert "[DONE]" not in got.body.decode()
        assert b'"text":"Hel"' in got.body
    else:
        assert (got.status, error["partial"]) == (502, "Hel")
    assert await gateway.outcomes() == {"cut": 1}
