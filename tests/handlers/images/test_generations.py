import asyncio
import base64
import json
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops

from service import keys
from service.settings.config import DEFAULT_PROMPT_PREFIX
from service.sink import put
from service.vocabulary.errors import QueueFullError
from service.vocabulary.events import (
    AnswerStarted,
    AnswerText,
    AssetKind,
    AssetReady,
    AssetWanted,
    Failure,
    Outcome,
    TurnEnded,
)
from tests.conftest import StartGateway
from tests.gateway import Gateway, until
from tests.handlers.conftest import Serve
from tests.handlers.scripted import BEARER, END, FACTS, StoredBlob, Surroundings, says
from upstream.demo.ground import pictures

PATH = "/v1/images/generations"
PROMPT = "A cute baby sea otter"
WANTED = AssetWanted(AssetKind.PICTURE, "file-service://f", "c", "m")
PICTURE = AssetReady(WANTED, "http://gw/images/x.png", "x.png", "image/png")
SAYING = AnswerText("Here it is.")


async def order(client: Any, **fields: Any) -> Any:
    return await client.post(PATH, json={"prompt": PROMPT, **fields}, headers=BEARER)


async def post(gateway: Gateway, **fields: Any) -> Any:
    return await gateway.session.post(
        f"{gateway.url}{PATH}", json={"prompt": PROMPT, "size": "128x64", **fields}, headers=BEARER
    )


def is_drawn(content: bytes, prompt: str = PROMPT, size: tuple[int, int] = (128, 64)) -> bool:
    """Tell whether this is the picture that the demo draws for a prompt, pixel by pixel."""
    with (
        Image.open(BytesIO(content)) as got,
        Image.open(BytesIO(pictures.draw(prompt, *size))) as own,
    ):
        is_same_size = got.size == own.size
        return is_same_size and ImageChops.difference(got, own).getbbox() is None


def pictures_in(folder: Path) -> list[Path]:
    return list(folder.rglob("*.png"))


# --- the whole way --------------------------------------------------------------------


async def test_a_picture_is_drawn_stored_and_linked(demo: str, start_gateway: StartGateway) -> None:
    gateway = await start_gateway(demo)
    response = await post(gateway, model="gpt-4-s")
    reply = await response.json()
    assert response.status == 200
    [entry] = reply["data"]
    assert entry["url"].startswith(f"{gateway.url}/images/")
    assert PROMPT in entry["revised_prompt"]
    async with gateway.session.get(entry["url"]) as stored:  # without a key
        assert stored.content_type == "image/png"
        assert is_drawn(await stored.read())
    assert '"size":"128x64"' in reply["reply"]
    assert "here is your picture" in reply["reply"] or "随机画出" in reply["reply"]
    assert "![" not in reply["reply"]
    assert reply["usage"]["total_tokens"] > reply["usage"]["output_tokens"] > 0
    assert response.headers["x-upstream-model"]
    assert float(response.headers["x-gateway-overhead-ms"]) >= 0
    assert await gateway.outcomes() == {"complete": 1}


async def test_pictures_themselves_can_be_asked_for_several_at_once(
    demo: str, start_gateway: StartGateway
) -> None:
    gateway = await start_gateway(demo)
    reply = await (await post(gateway, n=2, response_format="b64_json")).json()
    assert [set(entry) for entry in reply["data"]] == [{"b64_json", "revised_prompt"}] * 2
    assert all(is_drawn(base64.b64decode(entry["b64_json"])) for entry in reply["data"])


async def test_pictures_themselves_do_not_need_links_of_our_own(
    demo: str, start_gateway: StartGateway, tmp_path: Path
) -> None:
    gateway = await start_gateway(demo, images={"upstream_links": True})
    async with await post(gateway) as response:
        [entry] = (await response.json())["data"]
    assert entry["url"].startswith("http://")
    assert not entry["url"].startswith(gateway.url)
    assert not pictures_in(tmp_path)
    async with await post(gateway, response_format="b64_json") as response:
        assert response.status == 200
        [entry] = (await response.json())["data"]
    assert is_drawn(base64.b64decode(entry["b64_json"]))


async def test_a_refusal_quotes_the_upstream(demo: str, start_gateway: StartGateway) -> None:
    gateway = await start_gateway(demo)
    response = await post(gateway, prompt="something forbidden")
    error = (await response.json())["error"]
    assert response.status == 400
    assert error["code"] == "content_policy_violation"
    assert "content policy" in error["message"] or "内容政策" in error["message"]
    assert await gateway.outcomes() == {"refused": 1}


async def test_a_limit_of_the_upstream_is_a_429(demo: str, start_gateway: StartGateway) -> None:
    gateway = await start_gateway(demo, images={"prompt_prefix": "/fault 429 7200"})
    response = await post(gateway)
    assert response.status == 429
    assert response.headers["Retry-After"] == "7200"
    assert (await response.json())["error"]["code"] == "rate_limit_exceeded"
    assert await gateway.outcomes() == {"refused": 1}


# --- the turn -------------------------------------------------------------------------


async def test_the_turn_says_what_to_draw(serve: Serve, around: Surroundings) -> None:
    around.turns.script = [[FACTS, PICTURE, END]]
    response = await order(await serve(), quality="hd", partial_images=1)
    assert response.status == 200
    assert response.headers["x-ignored-fields"] == "quality"
    [(chat, _)] = around.turns.requests
    assert chat.model == "gpt-4-s"
    assert not chat.is_stream
    assert chat.messages[0].text == f"{DEFAULT_PROMPT_PREFIX}\nprompt:{PROMPT}\nsize:1024x1024"
    assert (await response.json())["data"] == [{"url": "http://gw/images/x.png"}]


async def test_a_missing_key_is_told_before_a_wrong_body(serve: Serve) -> None:
    response = await (await serve()).post(PATH, data=b"{")
    assert response.status == 401


async def test_a_prefix_moves_the_path(serve: Serve, around: Surroundings) -> None:
    around.turns.script = [[PICTURE, END]]
    client = await serve(server={"api_prefix": "secret"})
    assert (await order(client)).status == 404
    response = await client.post(f"/secret{PATH}", json={"prompt": PROMPT}, headers=BEARER)
    assert response.status == 200


async def test_b64_json_is_the_stored_file(
    serve: Serve, around: Surroundings, tmp_path: Path
) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(b"\x89PNG stored")
    around.blobs["images", "x.png"] = StoredBlob(path, "image/png", is_inline=True)
    around.turns.script = [[PICTURE, END]]
    reply = await (await order(await serve(), model="gpt-image-1")).json()
    assert reply["data"] == [{"b64_json": base64.b64encode(b"\x89PNG stored").decode()}]


async def test_a_stored_file_that_is_gone_is_a_500(serve: Serve, around: Surroundings) -> None:
    around.turns.script = [[PICTURE, END]]
    response = await order(await serve(), response_format="b64_json")
    assert response.status == 500
    assert (await response.json())["error"]["code"] == "storage_error"


# --- several --------------------------------------------------------------------------


class _Differing:
    """Plays another script for each turn."""

    def __init__(self, *scripts: list[Any]) -> None:
        self.scripts = list(scripts)

    async def run(self, _request: Any, _credential: Any, sink: Any) -> None:
        for step in self.scripts.pop(0):
            if isinstance(step, BaseException):
                raise step
            await put(sink, step)


@pytest.mark.parametrize(
    "failed",
    [
        [QueueFullError("Too many.")],
        [[AnswerStarted("a"), AnswerText("No."), END]],
        [[TurnEnded(Outcome.CUT, None, Failure(502, "cut", "upstream_error", "upstream_cut"))]],
        [],
    ],
)
async def test_the_pictures_that_came_are_handed_out(
    serve: Serve, around: Surroundings, failed: list[Any]
) -> None:
    around.turns = _Differing(failed, [[SAYING, PICTURE, END]])
    response = await order(await serve(), n=2)
    assert response.status == 200
    reply = await response.json()
    assert (len(reply["data"]), reply["reply"]) == (1, "Here it is.")


async def test_without_any_the_first_failure_is_told(serve: Serve, around: Surroundings) -> None:
    around.turns = _Differing([QueueFullError("Too many.")], [[AnswerText("No."), END]])
    client = await serve()
    response = await order(client, n=2)
    assert response.status == 429
    assert (await response.json())["error"]["message"] == "Too many."


async def test_turns_run_side_by_side(serve: Serve, around: Surroundings) -> None:
    both = asyncio.Event()

    class Meeting:
        started = 0

        async def run(self, _request: Any, _credential: Any, sink: Any) -> None:
            self.started += 1
            if self.started == 3:
                both.set()
            await both.wait()
            await put(sink, [PICTURE, END])

    around.turns = Meeting()
    async with asyncio.timeout(20):
        assert len((await (await order(await serve(), n=3)).json())["data"]) == 3


# --- waiting --------------------------------------------------------------------------

PATIENT = {"images": {"keep_alive": True}, "stream": {"keep_alive_seconds": 0.05}}


async def test_white_space_goes_ahead_of_a_late_reply(serve: Serve, around: Surroundings) -> None:
    around.turns.script = [0.2, [PICTURE, END]]
    response = await order(await serve(**PATIENT))
    body = await response.read()
    assert response.status == 200
    assert response.content_type == "application/json"
    assert body.startswith(b"\n\n")
    assert json.loads(body)["data"] == [{"url": "http://gw/images/x.png"}]


async def test_an_error_after_white_space_is_in_the_body(
    serve: Serve, around: Surroundings
) -> None:
    around.turns.script = [0.12, QueueFullError("Too many.")]
    response = await order(await serve(**PATIENT))
    assert response.status == 200
    assert json.loads(await response.read())["error"]["code"] == "rate_limit_exceeded"


async def test_a_fault_after_white_space_ends_the_one_reply_that_has_begun(
    serve: Serve, around: Surroundings
) -> None:
    around.turns.script = [0.2, ZeroDivisionError()]
    response = await order(await serve(**PATIENT))
    body = await response.read()
    assert response.status == 200
    assert body.startswith(b"\n")
    assert json.loads(body)["error"]["code"] == "internal_error"


async def test_what_is_known_soon_has_its_true_status(serve: Serve, around: Surroundings) -> None:
    around.turns.script = [QueueFullError("Too many.")]
    assert (await order(await serve(**PATIENT))).status == 429


@pytest.mark.parametrize("settings", [{}, {"images": {"keep_alive": True}}, PATIENT])
async def test_a_caller_who_leaves_ends_the_turns(
    serve: Serve, around: Surroundings, settings: dict[str, Any]
) -> None:
    around.turns.script = [[FACTS], 30.0]
    client = await serve(**settings)
    waiting = asyncio.ensure_future(order(client))
    await until(lambda: around.turns.requests)
    await asyncio.sleep(0.15)
    waiting.cancel()
    await client.session.close()
    async with asyncio.timeout(20):
        await around.turns.closed.wait()
    metrics = client.server.app[keys.METRICS]
    abandoned = metrics.outcomes.labels("abandoned")
    await until(lambda: [one.value for one in abandoned.collect()[0].samples][:1] == [1.0])


@pytest.mark.parametrize(
    "end",
    [
        END,
        TurnEnded(Outcome.FAILED, None, Failure(429, "m", "rate_limit_error", "c")),
        TurnEnded(Outcome.CUT, None, Failure(502, "m", "upstream_error", "upstream_cut")),
    ],
    ids=["no picture", "429", "502"],
)
async def test_the_words_that_came_are_in_every_failed_reply(
    end: TurnEnded, serve: Serve, around: Surroundings
) -> None:
    around.turns.script = [[FACTS, SAYING, end]]
    reply = await (await order(await serve())).json()
    assert reply["error"]["partial"] == "Here it is."


async def test_an_answer_without_an_end_is_a_cut(serve: Serve, around: Surroundings) -> None:
    around.turns.script = says("Hello")[:-1]
    response = await order(await serve())
    assert response.status == 502
    assert (await response.json())["error"]["code"] == "upstream_cut"
