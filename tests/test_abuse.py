"""What is packed to do harm costs no more memory than what is not; its answer is in tests/hostile."""

import tracemalloc
from pathlib import Path

from tests.gateway import ACCESS_TOKEN, running_demo, running_gateway
from tests.hostile.bodies import MIB, packed
from tests.scripted_upstream import DONE, Head, final, scripted_upstream

CHAT = "/v1/chat/completions"
BEARER = {"Authorization": f"Bearer {ACCESS_TOKEN}"}


async def test_a_body_that_unpacks_to_much_costs_no_more_than_one_at_the_limit(
    tmp_path: Path,
) -> None:
    server = {"max_body_bytes": MIB}
    headers = {**BEARER, "Content-Encoding": "gzip", "Content-Type": "application/json"}
    bomb = packed(b'{"model": "', 64)
    async with (
        running_demo() as demo,
        running_gateway(demo, tmp_path, server=server) as gateway,
    ):
        tracemalloc.start()
        try:
            async with gateway.session.post(
                gateway.url + CHAT, data=bomb, headers=headers
            ) as response:
                assert response.status == 413
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 16 * MIB
        assert (await gateway.chat()).status == 200


async def test_an_upstream_that_packs_what_nobody_asked_it_to_pack(tmp_path: Path) -> None:
    head = Head(headers={"Content-Encoding": "gzip"})
    async with scripted_upstream() as upstream:
        upstream.plays(packed(b"data: ", 64), head=head)
        upstream.plays(final("Hi"), DONE)
        async with running_gateway(upstream.url, tmp_path) as gateway:
            tracemalloc.start()
            try:
                answer = await gateway.chat()
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            assert answer.status == 502
            assert answer.error is not None
            assert answer.error["code"] == "upstream_error"
            assert peak < 64 * MIB
            assert (await gateway.chat()).status == 200
