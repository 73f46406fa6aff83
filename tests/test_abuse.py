"""Requests, and upstreams, that mean to do harm: each gets its answer, and the next one is fine."""

import tracemalloc
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.gateway import ACCESS_TOKEN, Gateway, read, running_demo, running_gateway
from tests.scripted_upstream import DONE, Head, final, scripted_upstream

CHAT = "/v1/chat/completions"
BEARER = {"Authorization": f"Bearer {ACCESS_TOKEN}"}
MIB = 1024 * 1024
ASKING = {"messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with running_demo() as demo, running_gateway(demo, tmp_path) as gateway:
        yield gateway


def packed(head: bytes, mebibytes: int) -> bytes:
    """Return a body of so many zeros as gzip has it."""
    pack = zlib.compressobj(1, wbits=31)
    parts = [pack.compress(head), *(pack.compress(bytes(MIB)) for _ in range(mebibytes))]
    return b"".join(parts) + pack.flush()


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


HOSTILE: dict[str, tuple[int, dict[str, Any], dict[str, str]]] = {
    "a model that is a book": (400, {"model": "m" * (MIB // 2)}, {}),
    "a model with a line break": (400, {"model": "gpt-4o\r\nX-Evil: 1"}, {}),
    "a model with a zero byte": (400, {"model": "gpt-4o\0"}, {}),
    "a model that leads upwards": (404, {"model": "../../backend-api/me"}, {}),
    "a thousand stops": (400, {"stop": ["x"] * 1000}, {}),
    "a field whose name breaks a line": (200, {"a\r\nX-Evil: 1": 1}, {}),
    "ten thousand fields": (200, {f"field{n}": n for n in range(10_000)}, {}),
    "a request id with a blank": (200, {}, {"x-request-id": "a b"}),
    "a request id of a kilobyte": (200, {}, {"x-request-id": "a" * 1024}),
    "a hundred and fifty headers": (400, {}, {f"X-{n}": "x" for n in range(150)}),
    "a header of twenty kilobytes": (400, {}, {"X-Long": "x" * 20_000}),
    "a host that is markup": (200, {}, {"Host": "<script>"}),
    "an origin that is markup": (200, {}, {"Origin": "<script>alert(1)</script>"}),
    "a forged address": (200, {}, {"X-Forwarded-For": "'; DROP TABLE", "Forwarded": 'for="\\'}),
    "an unknown profile": (400, {"render_profile": "x" * (MIB // 2)}, {}),
    "a conversation that leads upwards": (
        400,
        {"conversation_id": "../../me", "parent_message_id": "x"},
        {},
    ),
    "a trace of nonsense": (200, {}, {"traceparent": "00-" + "f" * 9999}),
}


async def test_each_hostile_request_gets_its_answer_and_leaves_nothing(gateway: Gateway) -> None:
    got: dict[str, int] = {}
    for name, (_, fields, headers) in HOSTILE.items():
        body = {"model": "gpt-4o", **ASKING, **fields}
        async with gateway.session.post(
            gateway.url + CHAT, json=body, headers={**BEARER, **headers}
        ) as response:
            answer = await read(response)
        got[name] = answer.status
        assert "X-Evil" not in answer.headers, name
        assert all("\n" not in value for value in answer.headers.values()), name
        assert sum(len(value) for value in answer.headers.values()) < 4096, name
        if answer.status != 200:
            assert answer.headers["Content-Type"] == "application/json"
            assert len(answer.body) < 4096, name
            assert answer.json["error"].keys() == {"message", "type", "param", "code"}
    assert got == {name: status for name, (status, _, _) in HOSTILE.items()}
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
