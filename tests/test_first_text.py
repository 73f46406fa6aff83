"""The time to the first text is measured, whichever way that text takes."""

from typing import Any

import orjson
import pytest

from tests.conftest import StartGateway
from tests.scripted_upstream import DONE, Pause, ScriptedUpstream, answer, event, final

V0 = [answer(""), Pause(0.3), answer("It"), Pause(0.1), final("It is"), DONE]
V1 = [
    event("v1", "delta_encoding"),
    event({"p": "", "o": "add", "v": orjson.loads(answer("").removeprefix(b"data: "))}),
    event({"p": "/message/content/parts/0", "o": "append", "v": ""}),
    Pause(0.3),
    event({"v": "It is"}),
    Pause(0.1),
    event({"p": "/message/status", "o": "replace", "v": "finished_successfully"}),
    DONE,
]


@pytest.mark.parametrize("steps", [V0, V1], ids=["v0", "v1"])
async def test_it_is_measured_where_the_head_came_long_before(
    scripted: ScriptedUpstream, start_gateway: StartGateway, steps: list[Any]
) -> None:
    scripted.plays(*steps)
    gateway = await start_gateway(scripted.url, stream={"head_seconds": 0.05})
    assert (await gateway.chat(stream=True)).text == "It is"
    assert "gateway_first_token_seconds_count 1.0" in await gateway.metrics()
