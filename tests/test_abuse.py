"""Hostile input costs no more than other input, and makes no other caller wait."""

import asyncio
import tracemalloc
from functools import partial
from pathlib import Path

import pytest
from aiohttp import FormData

from service.program import assembly
from tests.gateway import ACCESS_TOKEN, Gateway, running_demo, running_gateway, until
from tests.hostile.bodies import MIB, packed
from tests.name_server import name_server
from tests.scripted_upstream import DONE, Head, final, scripted_upstream
from upstream.fetching.host_names import HostNames

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


async def test_names_that_nobody_answers_for_delay_only_those_who_send_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with name_server() as server, running_demo() as demo:
        monkeypatch.setattr(assembly, "HostNames", partial(HostNames, **server.settings))
        named = demo.replace("127.0.0.1", "localhost")
        fetch = {"allow_private": True, "resolve_seconds": 60}
        async with running_gateway(named, tmp_path, fetch=fetch) as gateway:

            async def slow(number: int) -> None:
                url = f"http://silent-{number}.test/a.png"
                part = {"type": "image_url", "image_url": {"url": url}}
                message = {"role": "user", "content": [part]}
                async with gateway.session.post(
                    gateway.url + CHAT,
                    json={"model": "gpt-4o", "messages": [message]},
                    headers={"Authorization": f"Bearer fk-{number}"},
                ):
                    pass

            waiting = [asyncio.ensure_future(slow(number)) for number in range(20)]
            await until(lambda: len(set(server.asked)) == 20, 20)
            assert (await gateway.chat()).status == 200
            assert not any(task.done() for task in waiting)
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)


async def left(gateway: Gateway, token: str, size: int) -> tuple[int, str]:
    """Upload a file; return the status and its id."""
    form = FormData({"purpose": "user_data"})
    form.add_field("file", bytes(size), filename="a.bin")
    headers = {"Authorization": f"Bearer {token}"}
    async with gateway.session.post(
        f"{gateway.url}/v1/files", data=form, headers=headers
    ) as response:
        return response.status, (await response.json()).get("id", "")


async def is_kept(gateway: Gateway, token: str, file_id: str) -> bool:
    headers = {"Authorization": f"Bearer {token}"}
    async with gateway.session.get(
        f"{gateway.url}/v1/files/{file_id}", headers=headers
    ) as response:
        return response.status == 200


async def test_made_up_tokens_leave_nothing_and_real_ones_drive_out_the_largest_holder(
    tmp_path: Path,
) -> None:
    files = {"max_store_bytes": 400_000}
    async with (
        scripted_upstream() as upstream,
        running_gateway(upstream.url, tmp_path, files=files) as gateway,
    ):
        status, honest = await left(gateway, "fk-honest", 10_000)
        assert status == 200
        for number in range(6):
            upstream.refused_tokens.add(f"fk-made-up-{number}")
            assert (await left(gateway, f"fk-made-up-{number}", 90_000))[0] == 401
        left_by = {f"fk-{owner}": await left(gateway, f"fk-{owner}", 95_000) for owner in "abcde"}
        assert {status for status, _ in left_by.values()} == {200}
        kept = [
            token for token, (_, file) in left_by.items() if await is_kept(gateway, token, file)
        ]
        assert len(kept) == 4, "the fifth drove one out as it came"
        assert (await left(gateway, "fk-honest", 20_000))[0] == 200
        kept = [token for token in kept if await is_kept(gateway, token, left_by[token][1])]
        assert len(kept) == 3
        assert (await left(gateway, "fk-f", 82_000))[0] == 200
        assert (await left(gateway, kept[0], 4_999))[0] == 507, "it would hold the most"
        stored = (path for path in (tmp_path / "uploads").rglob("file-*") if not path.suffix)
        assert sum(path.stat().st_size for path in stored) <= 400_000
        assert await is_kept(gateway, "fk-honest", honest)
