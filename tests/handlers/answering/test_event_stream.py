import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import openai
import pytest
from aiohttp.test_utils import TestClient

from service import keys
from service.vocabulary.errors import UpstreamRefusedError
from service.vocabulary.events import (
    AnswerStarted,
    AnswerText,
    Failure,
    Outcome,
    ReasoningText,
    TurnEnded,
)
from tests.handlers.conftest import Serve
from tests.handlers.scripted import BEARER, CUT, END, FACTS, Surroundings, says

PATH = "/v1/chat/completions"
BODY = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}], "stream": True}
PING = b": ping\n\n"
REFUSED = Failure(403, "No.", "permission_error", "forbidden")


async def ask(client: TestClient, **fields: Any) -> Any:
    return await client.post(PATH, json={**BODY, **fields}, headers=BEARER)


def data_of(stream: bytes) -> list[Any]:
    blocks = stream.split(b"\n\n")
    assert blocks.pop() == b""
    data = [b.removeprefix(b"data: ") for b in blocks if b != b": ping"]
    return [item if item == b"[DONE]" else json.loads(item) for item in data]


def text_of(stream: bytes) -> str:
    chunks = [item for item in data_of(stream) if item != b"[DONE]" and "choices" in item]
    return "".join(c["choices"][0]["delta"].get("content", "") for c in chunks)


class Wire:
    """A caller that sees every write: what arrived, and when."""

    def __init__(self, client: TestClient) -> None:
        self.client = client
        self.arrivals: list[tuple[float, bytes]] = []

    async def ask(self, version: str = "1.1", headers: str = "", **fields: Any) -> bytes:
        body = json.dumps({**BODY, **fields})
        reader, writer = await asyncio.open_connection(self.client.host, self.client.port)
        writer.write(
            f"POST {PATH} HTTP/{version}\r\nHost: x\r\nAuthorization: Bearer fk-test\r\n{headers}"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        started = time.perf_counter()
        try:
            while chunk := await asyncio.wait_for(reader.read(1_000_000), 20):
                self.arrivals.append((time.perf_counter() - started, chunk))
                if version == "1.1" and chunk.endswith(b"\r\n0\r\n\r\n"):
                    break
        finally:
            writer.close()
        return b"".join(chunk for _, chunk in self.arrivals)


async def test_a_stream_has_these_headers_and_parts(serve: Serve) -> None:
    response = await ask(await serve())
    assert response.status == 200
    assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-cache"
    assert response.headers["X-Accel-Buffering"] == "no"
    assert "Content-Encoding" not in response.headers
    assert "Content-Length" not in response.headers
    *chunks, done = data_of(await response.read())
    assert done == b"[DONE]"
    assert [c["choices"][0]["delta"] for c in chunks] == [
        {"role": "assistant", "content": ""},
        {"content": "Hello"},
        {"content": " world"},
        {},
    ]
    assert [c["choices"][0]["finish_reason"] for c in chunks] == [None, None, None, "stop"]
    assert len({(c["id"], c["created"], c["model"]) for c in chunks}) == 1
    assert chunks[-1]["conversation_id"] == "conv-1"


async def test_the_end_is_one_write_with_the_end_of_the_body(
    serve: Serve, around: Surroundings
) -> None:
    around.turns.script = [*says("Hello")[:-1], 0.05, [END]]
    wire = Wire(await serve())
    await wire.ask(stream_options={"include_usage": True})
    last = wire.arrivals[-1][1]
    assert b'"finish_reason":"stop"' in last
    assert b'"choices":[],"usage"' in last
    assert last.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")


async def test_one_batch_is_one_write(serve: Serve, around: Surroundings) -> None:
    texts = [AnswerText(str(number)) for number in range(1_000)]
    around.turns.script = [[FACTS, AnswerStarted("m"), AnswerText("x")], 0.05, texts, 0.05, [END]]
    wire = Wire(await serve())
    await wire.ask()
    bodies = [chunk for _, chunk in wire.arrivals if b"HTTP/1.1" not in chunk]
    assert 2 <= len(bodies) <= 3  # the first text may come apart from its head
    assert bodies[-2].count(b"data: ") == 1


async def test_reasoning_and_text_come_in_chunks_of_their_own(
    serve: Serve, around: Surroundings
) -> None:
    around.turns.script = [[AnswerStarted("m"), ReasoningText("Hm."), AnswerText("Yes.")], [END]]
    chunks = data_of(await (await ask(await serve())).read())
    assert [c["choices"][0]["delta"] for c in chunks[1:3]] == [
        {"reasoning_content": "Hm."},
        {"content": "Yes."},
    ]


@pytest.mark.parametrize("usage", [False, True])
async def test_usage_is_sent_only_when_asked(serve: Serve, usage: bool) -> None:
    response = await ask(await serve(), stream_options={"include_usage": usage})
    chunks = data_of(await response.read())[:-1]
    found = [c["usage"] for c in chunks if "usage" in c]
    assert [u["completion_tokens"] for u in found] == ([2] if usage else [])


# --- errors -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "script",
    [
        [UpstreamRefusedError(REFUSED, 403)],
        [0.05, UpstreamRefusedError(REFUSED, 403)],
        [[FACTS, AnswerStarted("m")], 0.05, [TurnEnded(Outcome.REFUSED, None, REFUSED)]],
    ],
)
async def test_a_failure_before_the_head_has_its_true_status(
    serve: Serve, around: Surroundings, script: list[Any]
) -> None:
    around.turns.script = script
    response = await ask(await serve())
    assert response.status == 403
    assert response.content_type == "application/json"
    assert (await response.json())["error"]["message"] == "No."


@pytest.mark.parametrize(
    "end", [UpstreamRefusedError(REFUSED, 403), [TurnEnded(Outcome.REFUSED, None, REFUSED)]]
)
async def test_a_failure_after_the_head_is_in_band(
    serve: Serve, around: Surroundings, end: Any
) -> None:
    around.turns.script = [0.2, end]
    response = await ask(await serve(stream={"head_seconds": 0.05}))
    assert response.status == 200
    stream = await response.read()
    role, error = data_of(stream)
    assert role["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    error_fields = {"message": "No.", "type": "permission_error", "param": None}
    assert error == {"error": {**error_fields, "code": "forbidden"}}


@pytest.mark.parametrize("is_one_batch", [False, True])
async def test_text_that_arrived_comes_before_the_error(
    serve: Serve, around: Surroundings, is_one_batch: bool
) -> None:
    start = [FACTS, AnswerStarted("m"), AnswerText("Once")]
    around.turns.script = [[*start, CUT]] if is_one_batch else [start, [CUT]]
    response = await ask(await serve())
    assert response.status == 200
    stream = await response.read()
    *_, text, error = data_of(stream)
    assert text["choices"][0]["delta"] == {"content": "Once"}
    assert error["error"]["code"] == "upstream_cut"
    assert b"[DONE]" not in stream
    assert b'"finish_reason":"' not in stream


async def test_a_turn_that_stops_without_an_end_is_cut(serve: Serve, around: Surroundings) -> None:
    around.turns.script = says("Once")[:-1]
    assert data_of(await (await ask(await serve())).read())[-1]["error"]["code"] == "upstream_cut"


async def test_a_bug_in_a_running_stream_is_an_error_in_it(
    serve: Serve, around: Surroundings, caplog: pytest.LogCaptureFixture
) -> None:
    around.turns.script = [*says("Once")[:-1], ValueError("secret detail")]
    stream = await (await ask(await serve())).read()
    error = data_of(stream)[-1]["error"]
    assert error["code"] == "internal_error"
    assert "secret detail" not in stream.decode()
    assert "secret detail" in caplog.text


# --- the head and silences --------------------------------------------------------


@pytest.mark.whole
async def test_the_head_goes_out_with_a_sign_of_life_when_it_is_due(
    serve: Serve, around: Surroundings
) -> None:
    around.turns.script = [0.5, *says("Hello")]
    wire = Wire(await serve(stream={"head_seconds": 0.1}))
    await wire.ask()
    arrived, first = wire.arrivals[0]
    assert arrived > 0.08
    assert b"Hello" not in first
    early = b"".join(chunk for _, chunk in wire.arrivals).partition(b"Hello")[0]
    assert early.index(b'"role":"assistant"') < early.index(PING)


@pytest.mark.whole
async def test_the_wait_for_the_head_counts_from_the_request(
    serve: Serve, around: Surroundings
) -> None:
    around.turns.script = [0.3, *says("Hello")]
    wire = Wire(await serve(stream={"head_seconds": 0}))
    await wire.ask()
    assert b"Hello" not in wire.arrivals[0][1]


@pytest.mark.whole
async def test_the_head_does_not_wait_when_text_is_there(
    serve: Serve, around: Surroundings
) -> None:
    around.turns.script = [*says("Hello")[:-1], 0.3, [END]]
    wire = Wire(await serve())
    stream = await wire.ask()
    assert b"[DONE]" not in wire.arrivals[0][1]
    assert PING not in stream


@pytest.mark.whole
async def test_silence_is_filled_with_comments_and_with_empty_deltas(
    serve: Serve, around: Surroundings
) -> None:
    around.turns.script = [*says("Hello")[:-1], 1.1, [END]]
    settings = {"keep_alive_seconds": 0.2, "keep_alive_chunk_seconds": 0.45}
    client, began = await serve(stream=settings), time.perf_counter()
    stream = await (await ask(client)).read()
    took = time.perf_counter() - began
    chunks = stream.count(b'"delta":{},"finish_reason":null')
    assert 1 <= chunks <= took / 0.45
    assert chunks <= stream.count(PING) <= took / 0.2
    assert text_of(stream) == "Hello"


@pytest.mark.whole
@pytest.mark.parametrize(
    ("settings", "pings", "chunks"),
    [
        ({"keep_alive_seconds": 0, "keep_alive_chunk_seconds": 0.1}, False, True),
        ({"keep_alive_seconds": 0.1, "keep_alive_chunk_seconds": 0}, True, False),
        ({"keep_alive_seconds": 0, "keep_alive_chunk_seconds": 0}, False, False),
    ],
)
async def test_either_keep_alive_can_be_turned_off(
    serve: Serve, around: Surroundings, settings: dict[str, float], pings: bool, chunks: bool
) -> None:
    around.turns.script = [*says("Hello")[:-1], 0.3, [END]]
    stream = await (await ask(await serve(stream=settings))).read()
    assert (PING in stream) is pings
    assert (b'"delta":{},"finish_reason":null' in stream) is chunks


@pytest.mark.whole
async def test_a_stream_that_moves_is_not_filled(serve: Serve, around: Surroundings) -> None:
    texts = [step for _ in range(12) for step in ([AnswerText("x")], 0.05)]
    around.turns.script = [[FACTS, AnswerStarted("m")], *texts, [END]]
    stream = await (await ask(await serve(stream={"keep_alive_seconds": 0.3}))).read()
    assert PING not in stream


@pytest.mark.whole
async def test_pieces_are_paced_when_asked(serve: Serve, around: Surroundings) -> None:
    around.turns.script = says(*"abcde")
    wire = Wire(await serve(stream={"delay_seconds": 0.1}))
    assert text_of(dechunked(await wire.ask())) == "abcde"
    assert wire.arrivals[-1][0] >= 0.4


def dechunked(response: bytes) -> bytes:
    body, parts = response.partition(b"\r\n\r\n")[2], []
    while body:
        size, _, body = body.partition(b"\r\n")
        parts.append(body[: int(size, 16)])
        body = body[int(size, 16) + 2 :]
    return b"".join(parts)


# --- callers ----------------------------------------------------------------------


async def test_an_old_caller_gets_a_plain_body_and_a_closed_connection(serve: Serve) -> None:
    response = await Wire(await serve()).ask("1.0", "Connection: keep-alive\r\n")
    head, _, body = response.partition(b"\r\n\r\n")
    assert b"chunked" not in head.lower()
    assert b"keep-alive" not in head.lower()
    assert text_of(body) == "Hello world"


async def test_the_connection_can_be_used_again(serve: Serve) -> None:
    client = await serve()
    for _ in range(3):
        response = await ask(client)
        assert text_of(await response.read()) == "Hello world"
        assert "close" not in response.headers.get("Connection", "")


async def test_a_caller_that_asks_to_close_is_told_so(serve: Serve) -> None:
    response = await Wire(await serve()).ask("1.1", "Connection: close\r\n")
    assert b"connection: close" in response.lower()


@pytest.mark.whole
async def test_a_caller_that_stalls_pauses_the_turn(serve: Serve, around: Surroundings) -> None:
    sent = 0
    scripted = around.turns.batches

    async def counting() -> AsyncGenerator[Any, None]:
        nonlocal sent
        async for batch in scripted():
            sent += 1
            yield batch

    around.turns.batches = counting
    around.turns.script = says(*["x" * 60_000] * 1_000)
    client = await serve()
    response = await ask(client)
    await asyncio.sleep(0.3)
    paused_at = sent
    await asyncio.sleep(0.2)
    assert sent == paused_at < 900
    response.close()
    await asyncio.wait_for(around.turns.closed.wait(), 20)


async def test_no_task_is_left_behind(serve: Serve, around: Surroundings) -> None:
    client = await serve()
    await (await ask(client)).read()
    before = len(asyncio.all_tasks())
    for _ in range(5):
        await (await ask(client)).read()
    around.turns.script = [*says("Hello")[:-1], asyncio.Event()]
    response = await ask(client)
    response.close()
    await asyncio.wait_for(around.turns.closed.wait(), 20)
    await asyncio.sleep(0.05)
    assert len(asyncio.all_tasks()) <= before


@pytest.fixture
async def sdk(serve: Serve) -> AsyncIterator[openai.AsyncOpenAI]:
    client = await serve(stream={"keep_alive_seconds": 0.1, "keep_alive_chunk_seconds": 0.15})
    url = str(client.make_url("/v1"))
    async with openai.AsyncOpenAI(api_key="fk-test", base_url=url, max_retries=0) as found:
        yield found


@pytest.mark.whole
async def test_the_sdk_reads_a_stream_with_silences(
    sdk: openai.AsyncOpenAI, around: Surroundings
) -> None:
    around.turns.script = [*says("Hello")[:-1], 0.4, [AnswerText(" world"), END]]
    stream = await sdk.chat.completions.create(
        model="gpt-4o",
        messages=[{"role": "user", "content": "Hi"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]
    assert "".join(c.choices[0].delta.content or "" for c in chunks[:-1]) == "Hello world"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 2


async def test_the_sdks_helper_adds_a_stream_up(sdk: openai.AsyncOpenAI) -> None:
    messages: Any = [{"role": "user", "content": "Hi"}]
    async with sdk.chat.completions.stream(model="gpt-4o", messages=messages) as stream:
        completion = await stream.get_final_completion()
    assert completion.choices[0].message.content == "Hello world"
    assert completion.choices[0].message.role == "assistant"
    assert completion.choices[0].finish_reason == "stop"


async def test_the_sdk_raises_the_error_of_a_stream(
    sdk: openai.AsyncOpenAI, around: Surroundings
) -> None:
    around.turns.script = [*says("Hello")[:-1], [CUT]]
    messages: Any = [{"role": "user", "content": "Hi"}]
    stream = await sdk.chat.completions.create(model="gpt-4o", messages=messages, stream=True)
    with pytest.raises(openai.APIError, match="It was cut"):
        _ = [chunk async for chunk in stream]


async def test_callers_that_leave_at_done_cause_no_errors(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    client = await serve()
    url = str(client.make_url("/v1"))
    messages: Any = [{"role": "user", "content": "Hi"}]

    def read_all() -> None:
        with openai.OpenAI(api_key="fk-test", base_url=url, max_retries=0) as sync:
            for _ in range(5):
                stream = sync.chat.completions.create(model="m", messages=messages, stream=True)
                assert len(list(stream)) == 4

    await asyncio.to_thread(read_all)
    await asyncio.sleep(0.05)
    assert not [r for r in caplog.records if r.levelname in ("WARNING", "ERROR")]
    registry = client.app[keys.METRICS].registry
    assert registry.get_sample_value("gateway_outcomes_total", {"outcome": "complete"}) == 5
