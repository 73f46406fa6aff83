"""What the soak finds wrong with a silence, and a short one."""

import pytest

from bench.soak_silence import Heard, listen
from tests.conftest import StartGateway

GOOD = Heard(without_bytes=10.2, without_delta=31.0, is_whole=True, seconds=331.0)


def test_a_silence_that_is_filled_is_no_problem() -> None:
    assert GOOD.problems(330.0) == []


@pytest.mark.parametrize(
    "heard",
    [
        Heard(25.0, 31.0, is_whole=True, seconds=331.0),
        Heard(10.0, 90.0, is_whole=True, seconds=331.0),
        Heard(10.0, 31.0, is_whole=False, seconds=331.0),
        Heard(10.0, 31.0, is_whole=True, seconds=3.0),
    ],
)
def test_each_rule_that_is_broken_is_told(heard: Heard) -> None:
    assert len(heard.problems(330.0)) == 1


async def test_a_short_silence_has_bytes_and_deltas_all_the_while(
    demo: str, start_gateway: StartGateway
) -> None:
    pace = {"keep_alive_seconds": 0.1, "keep_alive_chunk_seconds": 0.2, "head_seconds": 0.2}
    gateway = await start_gateway(demo, stream=pace)
    heard = await listen(gateway.url, 2.0)
    assert heard.is_whole
    assert heard.seconds > 2
    assert heard.without_bytes < heard.seconds / 2
    assert heard.without_delta < heard.seconds / 2
