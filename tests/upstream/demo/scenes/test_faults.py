"""Faults on demand."""

import asyncio
import time

import aiohttp
import pytest

from tests.upstream.demo.conftest import Asker
from tests.upstream.demo.reading import Stream, read

TURN = "/backend-api/conversation"


async def answer(asker: Asker, text: str) -> tuple[int, object, aiohttp.ClientResponse]:
    async with asker.post(TURN, asker.body(text)) as response:
        body = await response.read()
        is_json = response.content_type == "application/json"
        return response.status, await response.json() if is_json else body, response


async def drain(response: aiohttp.ClientResponse, into: bytearray) -> None:
    async for chunk in response.content.iter_any():
        into += chunk


async def partial(asker: Asker, text: str) -> Stream:
    """Return what arrived before the connection broke."""
    got = bytearray()
    async with asker.post(TURN, asker.body(text)) as response:
        with pytest.raises(aiohttp.ClientPayloadError):
            await drain(response, got)
    return read(bytes(got))


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("401", 401, "token_expired"),
        ("404", 404, "conversation_not_found"),
        ("404model", 404, "model_not_found"),
        ("413", 413, "message_length_exceeds_limit"),
        ("429 7", 429, "model_cap_exceeded"),
        ("429cap", 429, "model_cap_exceeded"),
        ("errorbody:model_cap_exceeded 9", 200, "model_cap_exceeded"),
    ],
)
async def test_a_refusal_has_its_status_and_code(
    asker: Asker, fault: str, status: int, code: str
) -> None:
    got, body, _ = await answer(asker, f"hello /fault {fault}")
    assert (got, body["detail"]["code"]) == (status, code)


@pytest.mark.parametrize("status", [403, 500, 502, 503, 504])
async def test_a_refusal_may_be_a_bare_sentence(asker: Asker, status: int) -> None:
    got, body, _ = await answer(asker, f"/fault {status}")
    assert got == status
    assert isinstance(body["detail"], str)


async def test_a_limit_says_when_it_ends(asker: Asker) -> None:
    _, body, response = await answer(asker, "/fault 429 7")
    assert (body["detail"]["clears_in"], response.headers["Retry-After"]) == (7, "7")
    _, body, response = await answer(asker, "/fault 429cap 8")
    assert body["detail"]["clears_in"] == 8
    assert "Retry-After" not in response.headers
    _, body, response = await answer(asker, "/fault 429string 9")
    assert isinstance(body["detail"], str)
    assert response.headers["Retry-After"] == "9"
    _, body, response = await answer(asker, "/fault 429")
    assert body["detail"].startswith("Only one message at a time")


async def test_a_validation_error_is_a_list(asker: Asker) -> None:
    status, body, _ = await answer(asker, "/fault 422")
    assert status == 422
    assert isinstance(body["detail"], list)


@pytest.mark.parametrize(
    ("fault", "status"), [("403html", 403), ("503html", 503), ("html200", 200)]
)
async def test_a_page_of_the_network_in_between(asker: Asker, fault: str, status: int) -> None:
    got, body, response = await answer(asker, f"/fault {fault}")
    assert (got, response.content_type) == (status, "text/html")
    assert b"Just a moment" in body


async def test_plain_words_under_status_200(asker: Asker) -> None:
    assert (await answer(asker, "/fault plain"))[:2] == (200, b"The quota has been exceeded.")


async def test_a_websocket_is_offered(asker: Asker) -> None:
    assert (await answer(asker, "/fault websocket"))[1]["wss_url"].startswith("wss://")


async def test_a_refused_connection(asker: Asker) -> None:
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await answer(asker, "/fault refuse")
    assert (await asker.stats())["turns"]["by_status"] == {"none": 1}


@pytest.mark.parametrize("count", [0, 3])
async def test_a_cut_comes_after_n_pieces(asker: Asker, count: int) -> None:
    stream = await partial(asker, f"Tell me about boats /fault cut {count}")
    assert not stream.is_done
    assert bool(stream.text) == bool(count)
    assert "finish_details" not in stream.answers()[-1]["metadata"]


async def test_a_cut_beyond_the_end_comes_before_the_end(asker: Asker) -> None:
    stream = await partial(asker, "Tell me about boats /fault cut 1000")
    assert stream.text.endswith("what it can do.")
    assert stream.answers()[0]["status"] == "in_progress"


async def test_a_close_is_clean_but_early(asker: Asker) -> None:
    stream = await asker.ask("Tell me about boats /fault close 4")
    assert stream.text
    assert not stream.is_done
    assert not stream.typed("message_stream_complete")


@pytest.mark.whole
@pytest.mark.parametrize(("fault", "pings"), [("stall", False), ("pingstall", True)])
async def test_a_stall_lasts_until_the_caller_leaves(asker: Asker, fault: str, pings: bool) -> None:
    got = bytearray()
    async with asker.post(TURN, asker.body(f"Tell me about boats /fault {fault} 2")) as response:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(drain(response, got), 0.7)
        assert (await asker.stats())["turns_open"] == 1
        response.close()
    await asker.sees(turns_open=0, turns_closed_by_peer=1)
    assert (read(bytes(got)).pings > 2) == pings


async def test_garbage_does_not_change_the_answer(asker: Asker) -> None:
    question = "Tell me about boats"
    clean = await asker.ask(question)
    dirty = await asker.ask(question + " /fault garbage")
    assert dirty.text == clean.text
    assert dirty.junk > 3
    assert dirty.is_done


@pytest.mark.whole
async def test_slowness_before_and_after_the_head(asker: Asker) -> None:
    began = time.monotonic()
    async with asker.post(TURN, asker.body("/fault slow 0.3")) as response:
        assert time.monotonic() - began >= 0.3
        await response.read()
    async with asker.post(TURN, asker.body("/fault slowbody 1")) as response:
        began = time.monotonic()
        await response.read()
    assert time.monotonic() - began >= 0.3


async def test_missing_and_empty_ends(asker: Asker) -> None:
    stream = await asker.ask("hello there, demo /fault nodone")
    assert stream.text
    assert not stream.is_done
    stream = await asker.ask("hello there, demo /fault empty")
    assert (stream.text, stream.is_done) == ("", True)


async def test_an_error_event_may_follow_text(asker: Asker) -> None:
    stream = await asker.ask("Tell me about boats /fault error:interruption_server_error 2")
    assert stream.text
    failed = [one for _, one in stream.events if one.get("error")]
    assert failed[0]["error_code"] == "interruption_server_error"


async def test_a_giant_event(asker: Asker) -> None:
    async with asker.post(TURN, asker.body("/fault giant")) as response:
        assert len(await response.read()) > 17 * 1024 * 1024


async def test_once_means_once_for_the_same_talk(asker: Asker) -> None:
    assert (await answer(asker, "hello /fault once:503"))[0] == 503
    assert (await answer(asker, "hello /fault once:503"))[0] == 200
    assert (await answer(asker, "hello again /fault once:503"))[0] == 503
    assert (await asker.stats())["turns"]["by_fault"] == {"503": 2}
    assert (await asker.stats())["turns"]["by_status"] == {"200": 1, "503": 2}
