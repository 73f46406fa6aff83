"""The official Python SDK's Responses API against the gateway and the demo upstream."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.responses import ResponseStreamEvent

from tests.conftest import StartGateway
from tests.gateway import Gateway

T = TypeVar("T")
REFRESH_TOKEN = "a-refresh-token-of-the-sdk"
QUESTIONS = ("Hello", "think about boats", "browse for boats", "draw a cat", "run code for 6*7")


@pytest.fixture
async def gateway(demo: str, start_gateway: StartGateway) -> Gateway:
    return await start_gateway(demo, upstream={"retries": 0})


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(
        api_key=REFRESH_TOKEN, base_url=f"{gateway.url}/v1", max_retries=0
    ) as made:
        yield made


async def in_thread(gateway: Gateway, work: Callable[[OpenAI], T]) -> T:
    """Call the blocking client in a thread, since the gateway runs in this loop."""

    def run() -> T:
        with OpenAI(api_key=REFRESH_TOKEN, base_url=f"{gateway.url}/v1", max_retries=0) as blocking:
            return work(blocking)

    return await asyncio.to_thread(run)


async def turns(demo: str, gateway: Gateway, count: int) -> list[Any]:
    """Return the bodies of the last turns that the demo upstream got, in order."""
    found = []
    for n in range(count, 0, -1):
        async with gateway.session.get(f"{demo}/demo/turns/{n}") as response:
            found.append(await response.json())
    return found


async def test_two_turns_are_one_conversation_upstream(
    client: AsyncOpenAI, gateway: Gateway, demo: str
) -> None:
    first = await client.responses.create(model="gpt-4o", input="My name is Ada.")
    second = await client.responses.create(
        model="gpt-4o", input="What did I say?", previous_response_id=first.id
    )
    assert "Ada" in second.output_text
    one, two = await turns(demo, gateway, 2)
    assert [len(turn["messages"]) for turn in (one, two)] == [1, 1]
    assert two["messages"][0]["content"]["parts"] == ["What did I say?"]
    path = f"{demo}/backend-api/conversation/{two['conversation_id']}"
    bearer = {"Authorization": "Bearer " + await access_token(demo, gateway)}
    async with gateway.session.get(path, headers=bearer) as response:
        mapping = (await response.json())["mapping"]
    contents = [node["message"]["content"] for node in mapping.values() if node["message"]]
    texts = [content["parts"][0] for content in contents if content.get("parts")]
    assert texts.count("My name is Ada.") == texts.count("What did I say?") == 1
    assert texts.count(first.output_text) == texts.count(second.output_text) == 1


async def access_token(demo: str, gateway: Gateway) -> str:
    form = {"refresh_token": REFRESH_TOKEN}
    async with gateway.session.post(f"{demo}/api/auth/refresh", data=form) as response:
        return str((await response.json())["access_token"])


@pytest.mark.parametrize("question", QUESTIONS)
async def test_the_streaming_helper_and_a_whole_reply_agree(
    client: AsyncOpenAI, question: str
) -> None:
    async with client.responses.stream(model="gpt-4o", input=question) as stream:
        deltas = [
            event.delta async for event in stream if event.type == "response.output_text.delta"
        ]
        streamed = await stream.get_final_response()
    whole = await client.responses.create(model="gpt-4o", input=question)
    assert "".join(deltas) == streamed.output_text
    assert [item.type for item in streamed.output] == [item.type for item in whole.output]
    assert streamed.status == whole.status == "completed"
    assert whole.usage is not None
    assert whole.usage.total_tokens == whole.usage.input_tokens + whole.usage.output_tokens


async def test_the_blocking_client_streams_and_goes_on(gateway: Gateway) -> None:
    def talk(client: OpenAI) -> tuple[list[str], str]:
        with client.responses.stream(model="gpt-4o", input="My name is Ada.") as stream:
            first = stream.get_final_response()
        events = client.responses.create(
            model="gpt-4o", input="And?", previous_response_id=first.id, stream=True
        )
        seen, text = [], ""
        for event in events:
            seen.append(event.type)
            if event.type == "response.completed":
                text = event.response.output_text
        return seen, text

    seen, text = await in_thread(gateway, talk)
    assert seen[0] == "response.created"
    assert seen[-1] == "response.completed"
    assert "Ada" in text


async def test_a_response_is_retrieved_listed_cancelled_and_deleted(client: AsyncOpenAI) -> None:
    made = await client.responses.create(model="gpt-4o", input="Hello", metadata={"a": "b"})
    again = await client.responses.retrieve(made.id)
    assert again.to_dict() == made.to_dict()
    assert [item.type async for item in client.responses.input_items.list(made.id)] == ["message"]
    assert (await client.responses.cancel(made.id)).status == "completed"
    await client.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        await client.responses.retrieve(made.id)


async def test_a_running_response_is_cancelled(client: AsyncOpenAI) -> None:
    events = await client.responses.create(model="gpt-4o", input="/fault stall 3", stream=True)
    response_id, seen = "", []
    async with asyncio.timeout(20):
        async for event in events:
            seen.append(event.type)
            if event.type == "response.created":
                response_id = event.response.id
            elif event.type == "response.output_text.delta":
                cancelled = await client.responses.cancel(response_id)
    assert cancelled.status == "cancelled"
    assert seen[-1] == "response.incomplete"
    assert (await client.responses.retrieve(response_id)).output_text == cancelled.output_text


async def test_a_refusal_is_the_exception_of_its_status(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.RateLimitError):
        await client.responses.create(model="gpt-4o", input="/fault 429 30")
    with pytest.raises(openai.NotFoundError):
        await client.responses.create(model="gpt-4o", input="x", previous_response_id="resp_x")
    with pytest.raises(openai.BadRequestError):
        await client.responses.create(model="gpt-4o", input="x", background=True, store=False)


async def test_a_response_in_the_background_is_polled_streamed_and_cancelled(
    client: AsyncOpenAI,
) -> None:
    response = await client.responses.create(model="gpt-4o", input="Hello", background=True)
    assert response.status == "queued"
    while response.status in ("queued", "in_progress"):
        await asyncio.sleep(0.05)
        response = await client.responses.retrieve(response.id)
    assert response.output_text.startswith("Demo answer")
    stream = await client.responses.retrieve(response.id, stream=True, starting_after=1)
    events = [event async for event in stream]
    assert events[0].sequence_number == 2
    assert events[-1].type == "response.completed"
    slow = await client.responses.create(model="gpt-4o", input="/fault stall 3", background=True)
    assert (await client.responses.cancel(slow.id)).status == "cancelled"


async def test_a_conversation_is_gone_on_with(client: AsyncOpenAI) -> None:
    hello = {"role": "user", "content": "My name is Ahoy.", "type": "message"}
    conversation = await client.conversations.create(items=[hello])  # type: ignore[list-item]
    answer = await client.responses.create(
        model="gpt-4o", input="Hello", conversation=conversation.id
    )
    assert answer.conversation is not None
    assert answer.conversation.id == conversation.id
    items = [item async for item in client.conversations.items.list(conversation.id, order="asc")]
    assert [item.type for item in items] == ["message"] * 3
    counted = await client.responses.input_tokens.count(
        model="gpt-4o", input="Hello", conversation=conversation.id
    )
    alone = await client.responses.input_tokens.count(model="gpt-4o", input="Hello")
    assert counted.input_tokens > alone.input_tokens > 0
    await client.conversations.items.delete(items[0].id or "", conversation_id=conversation.id)
    assert (await client.conversations.delete(conversation.id)).deleted
    with pytest.raises(openai.NotFoundError):
        await client.conversations.retrieve(conversation.id)


async def test_a_cut_stream_ends_with_the_text_that_came_and_raises(client: AsyncOpenAI) -> None:
    events = await client.responses.create(model="gpt-4o", input="/fault cut 4", stream=True)
    seen: list[ResponseStreamEvent] = []

    async def read() -> None:
        async for event in events:
            seen.append(event)  # noqa: PERF401 - what came before the error is looked at

    with pytest.raises(openai.APIError) as caught:
        await read()
    assert caught.value.code == "upstream_cut"
    last = seen[-1]
    assert last.type == "response.failed"
    assert last.response.error is not None
    assert last.response.error.code == "upstream_cut"
    deltas = [event.delta for event in seen if event.type == "response.output_text.delta"]
    assert last.response.output_text == "".join(deltas) != ""
