"""The official Python SDK with gateway and demo, used as its users do."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from io import BytesIO
from typing import Any, TypeVar

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from PIL import Image

from tests.conftest import StartGateway
from tests.gateway import ACCESS_TOKEN, Gateway
from upstream.demo.ground import pictures

T = TypeVar("T")
REFRESH_TOKEN = "a-refresh-token-of-the-sdk"
# The demo's answer is the same in every run, without links.
QUESTIONS = {
    "code": "run code for 6*7",
    "browse": "browse for boats",
    "search": "search for boats",
    "thoughts": "think about boats",
    "o1": "answer like o1",
    "several": "several messages",
    "two answers": "two answers",
    "emoji": "emoji",
    "chinese": "分步",
    "long": "long 300",
    "canvas": "write on the canvas",
}


@pytest.fixture
async def gateway(demo: str, start_gateway: StartGateway) -> Gateway:
    models = {"gpt-4o": "gpt-4o", "org/model": "gpt-4o-mini"}
    return await start_gateway(demo, models=models, upstream={"retries": 0})


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(
        api_key=REFRESH_TOKEN, base_url=f"{gateway.url}/v1", max_retries=0
    ) as made:
        yield made


def user(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


async def in_thread(gateway: Gateway, work: Callable[[OpenAI], T]) -> T:
    """Call the blocking client in a thread, since the gateway runs in this loop."""

    def run() -> T:
        with OpenAI(api_key=REFRESH_TOKEN, base_url=f"{gateway.url}/v1", max_retries=0) as blocking:
            return work(blocking)

    return await asyncio.to_thread(run)


# --- models ---------------------------------------------------------------------------


async def test_models_are_listed_and_retrieved(gateway: Gateway, client: AsyncOpenAI) -> None:
    listed = [model async for model in client.models.list()]
    ids = [model.id for model in listed]
    assert len(ids) == len(set(ids))
    assert {"gpt-4o", "org/model", "gpt-5"} <= set(ids)  # the table's and the account's own
    assert all(model.object == "model" and model.created > 0 for model in listed)
    for name in ("gpt-4o", "org/model"):
        assert (await client.models.retrieve(name)).id == name
    blocking = await in_thread(gateway, lambda sync: [model.id for model in sync.models.list()])
    assert blocking == ids
    assert (await in_thread(gateway, lambda sync: sync.models.retrieve("org/model"))).id


async def test_a_model_that_is_not_there_is_a_not_found_error(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        await client.models.retrieve("gpt-4p")
    assert caught.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError, match="gpt-4o") as caught:
        await client.chat.completions.create(model="gpt-4p", messages=user("Hello"))
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


# --- chats ----------------------------------------------------------------------------


async def test_a_whole_chat(gateway: Gateway, client: AsyncOpenAI) -> None:
    reply = await client.chat.completions.create(model="gpt-4o", messages=user("6*7"))
    assert reply.choices[0].message.content == "Demo answer: 6*7=42"
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage is not None
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens
    assert reply._request_id
    assert (reply.model, reply.object) == ("gpt-4o", "chat.completion")
    blocking = await in_thread(
        gateway, lambda sync: sync.chat.completions.create(model="gpt-4o", messages=user("6*7"))
    )
    assert blocking.choices[0].message.content == reply.choices[0].message.content


async def test_a_streamed_chat_with_usage(gateway: Gateway, client: AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model="gpt-4o",
        messages=user("6*7"),
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert text_of(chunks) == "Demo answer: 6*7=42"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens > 0

    def blocking(sync: OpenAI) -> str:
        with sync.chat.completions.create(model="gpt-4o", messages=user("6*7"), stream=True) as got:
            return text_of(list(got))

    assert await in_thread(gateway, blocking) == "Demo answer: 6*7=42"


async def collect(stream: AsyncIterator[Any], seen: list[Any]) -> None:
    async for chunk in stream:
        seen.append(chunk)  # noqa: PERF401 - what came before an error is what is asked about


def text_of(chunks: list[Any]) -> str:
    deltas = [choice.delta for chunk in chunks for choice in chunk.choices]
    return "".join(delta.content or "" for delta in deltas)


async def test_the_stream_helper_collects_what_a_whole_reply_has(client: AsyncOpenAI) -> None:
    question: Any = {"model": "gpt-4o", "messages": user("browse for boats")}
    whole = await client.chat.completions.create(**question)
    async with client.chat.completions.stream(
        **question, stream_options={"include_usage": True}
    ) as stream:
        deltas = [event.delta async for event in stream if event.type == "content.delta"]
        final = await stream.get_final_completion()
    message, other = final.choices[0].message, whole.choices[0].message
    assert "".join(deltas) == message.content == other.content
    assert (message.role, message.annotations) == (other.role, other.annotations)
    assert other.annotations[0].url_citation.url == "https://example.org/rivers"
    assert (final.usage, final.choices[0].finish_reason) == (whole.usage, "stop")


async def test_a_conversation_goes_on_by_its_id(client: AsyncOpenAI) -> None:
    first = await client.chat.completions.create(model="gpt-4o", messages=user("My name is Ada."))
    ids = {
        "conversation_id": first.conversation_id,
        "parent_message_id": first.message_id,
    }
    second = await client.chat.completions.create(
        model="gpt-4o", messages=user("What is my name?"), extra_body=ids
    )
    assert "your name is Ada" in second.choices[0].message.content
    assert second.conversation_id == first.conversation_id
    assert second.message_id != first.message_id
    stream = await client.chat.completions.create(
        model="gpt-4o", messages=user("What is my name?"), extra_body=ids, stream=True
    )
    last = [chunk async for chunk in stream][-1]
    assert last.conversation_id == first.conversation_id


# --- errors ---------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        ("401", openai.AuthenticationError, "invalid_api_key"),
        ("404", openai.NotFoundError, "conversation_not_found"),
        ("404model", openai.NotFoundError, "model_not_found"),
        ("413", openai.BadRequestError, "context_length_exceeded"),
        ("422", openai.BadRequestError, "invalid_request"),
        ("429 30", openai.RateLimitError, "rate_limit_exceeded"),
        ("403html", openai.InternalServerError, "upstream_error"),
        ("500", openai.InternalServerError, "upstream_error"),
        ("empty", openai.InternalServerError, "empty_response"),
    ],
)
async def test_a_fault_is_the_error_class_of_its_status(
    fault: str,
    kind: type[openai.APIStatusError],
    code: str,
    stream: bool,
    client: AsyncOpenAI,
) -> None:
    with pytest.raises(kind) as caught:
        await client.chat.completions.create(
            model="gpt-4o", messages=user(f"/fault {fault}"), stream=stream
        )
    assert (type(caught.value), caught.value.code) == (kind, code)
    assert caught.value.request_id
    if kind is openai.InternalServerError:
        assert caught.value.status_code == 502


async def test_a_limit_says_how_long_it_lasts(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.RateLimitError) as caught:
        await client.chat.completions.create(model="gpt-4o", messages=user("/fault 429 30"))
    assert caught.value.response.headers["retry-after"] == "30"
    assert caught.value.type == "rate_limit_error"


async def test_a_dead_refresh_token_is_an_authentication_error(gateway: Gateway) -> None:
    async with AsyncOpenAI(
        api_key="dead-token", base_url=f"{gateway.url}/v1", max_retries=0
    ) as client:
        with pytest.raises(openai.AuthenticationError, match="Unknown or invalid refresh token"):
            await client.chat.completions.create(model="gpt-4o", messages=user("Hello"))


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": user("Hello"), "n": 2}, "n"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0]"),
    ],
)
async def test_a_wrong_request_is_a_bad_request_error_that_names_the_path(
    body: Any, param: str, client: AsyncOpenAI
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await client.chat.completions.create(model="gpt-4o", **body)
    assert caught.value.param.startswith(param)


async def test_a_cut_stream_raises_after_its_text(gateway: Gateway, client: AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model="gpt-4o", messages=user("/fault cut 3 Hello"), stream=True
    )
    seen: list[Any] = []
    with pytest.raises(openai.APIError) as caught:
        await collect(stream, seen)
    assert caught.value.code == "upstream_cut"
    assert text_of(seen)
    assert all(chunk.choices[0].finish_reason is None for chunk in seen)

    def blocking(sync: OpenAI) -> str:
        asked = user("/fault cut 3 Hello")
        with (
            sync.chat.completions.create(model="gpt-4o", messages=asked, stream=True) as got,
            pytest.raises(openai.APIError) as raised,
        ):
            list(got)
        return str(raised.value.code)

    assert await in_thread(gateway, blocking) == "upstream_cut"


async def test_a_cut_whole_reply_carries_its_text(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.InternalServerError) as caught:
        await client.chat.completions.create(model="gpt-4o", messages=user("/fault cut 3 Hello"))
    assert caught.value.body["partial"].startswith("Demo")


async def test_a_passing_fault_is_tried_again_by_the_sdk(gateway: Gateway) -> None:
    async with AsyncOpenAI(
        api_key=REFRESH_TOKEN, base_url=f"{gateway.url}/v1", max_retries=1
    ) as client:
        reply = await client.chat.completions.create(
            model="gpt-4o", messages=user("/fault once:500\n6*7")
        )
    assert reply.choices[0].message.content.endswith("6*7=42")


# --- what an answer is made of --------------------------------------------------------


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
async def test_both_generations_and_both_ways_to_ask_give_one_text(
    question: str, demo: str, client: AsyncOpenAI, start_gateway: StartGateway
) -> None:
    newer = await start_gateway(demo, upstream={"encodings": ["v1"]})
    texts = []
    async with AsyncOpenAI(api_key=ACCESS_TOKEN, base_url=f"{newer.url}/v1") as other:
        for asked in (client, other):
            whole = await asked.chat.completions.create(model="gpt-4o", messages=user(question))
            stream = await asked.chat.completions.create(
                model="gpt-4o", messages=user(question), stream=True
            )
            message, chunks = whole.choices[0].message, [chunk async for chunk in stream]
            texts += [message.content, text_of(chunks)]
            assert reasoning_of(chunks) == getattr(message, "reasoning_content", "")
    assert len(set(texts)) == 1, texts
    assert texts[0]


def reasoning_of(chunks: list[Any]) -> str:
    deltas = [choice.delta for chunk in chunks for choice in chunk.choices]
    found = [getattr(delta, "reasoning_content", None) for delta in deltas]
    assert not any(delta.content and piece for delta, piece in zip(deltas, found, strict=True))
    return "".join(piece or "" for piece in found)


async def test_a_code_interpreter_s_work_is_shown(client: AsyncOpenAI) -> None:
    asked = user(QUESTIONS["code"])
    reply = await client.chat.completions.create(model="gpt-4o", messages=asked)
    content = reply.choices[0].message.content
    assert content.startswith("\n```python3\n# demo\nprint(6*7)\n```\n\n`Result:`\n```\n42\n")
    assert content.endswith("Demo: the code has run, see its result.")


async def test_reasoning_is_apart_from_the_answer(client: AsyncOpenAI) -> None:
    asked = user(QUESTIONS["thoughts"])
    reply = await client.chat.completions.create(model="gpt-4o", messages=asked)
    message = reply.choices[0].message
    assert message.reasoning_content.startswith("The user wants to see how I think.")
    assert "I think" not in message.content
    assert reply.usage.completion_tokens_details.reasoning_tokens > 0


@pytest.mark.parametrize("profile", ["bot", "raw"])
async def test_a_request_chooses_its_profile(profile: str, client: AsyncOpenAI) -> None:
    for chosen in (
        {"extra_headers": {"x-render-profile": profile}},
        {"extra_body": {"render_profile": profile}},
    ):
        code, browse, several = [
            (
                await client.chat.completions.create(
                    model="gpt-4o", messages=user(QUESTIONS[name]), **chosen
                )
            )
            .choices[0]
            .message.content
            for name in ("code", "browse", "several")
        ]
        assert code == "Demo: the code has run, see its result."
        assert browse == "Demo: rivers flow, boats float, and nobody knows why."
        assert "```" not in several
        assert several.count("\n\n") == 2


async def test_fields_that_cannot_be_honoured_are_named(client: AsyncOpenAI) -> None:
    raw = await client.chat.completions.with_raw_response.create(
        model="gpt-4o", messages=user("6*7"), temperature=0.5, top_p=1, seed=7
    )
    ignored = {name.strip() for name in raw.headers["x-ignored-fields"].split(",")}
    assert ignored == {"temperature", "top_p", "seed"}
    assert raw.parse().choices[0].message.content.endswith("42")


# --- pictures on order ----------------------------------------------------------------


async def test_pictures_are_drawn_as_links_and_as_data(
    gateway: Gateway, client: AsyncOpenAI
) -> None:
    order: Any = {"prompt": "A cute baby sea otter", "size": "128x64", "model": "gpt-4o"}
    linked = await client.images.generate(**order, n=2)
    data = await client.images.generate(**order, response_format="b64_json")
    assert len(linked.data) == 2
    assert linked.usage.total_tokens == linked.usage.input_tokens + linked.usage.output_tokens
    contents = [base64.b64decode(data.data[0].b64_json)]
    for entry in linked.data:
        assert "sea otter" in entry.revised_prompt
        async with gateway.session.get(entry.url) as stored:
            contents.append(await stored.read())
    own = Image.open(BytesIO(pictures.draw("A cute baby sea otter", 128, 64))).convert("RGB")
    for content in contents:
        drawn = Image.open(BytesIO(content)).convert("RGB")
        assert drawn.tobytes() == own.tobytes()


async def test_a_refused_order_is_a_bad_request_error(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await client.images.generate(prompt="something forbidden", model="gpt-4o")
    assert caught.value.code == "content_policy_violation"
