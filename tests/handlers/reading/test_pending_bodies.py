"""The budget of bodies: which wait, which end, and that everything is given back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, suppress
from io import BytesIO
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient

from handlers.reading import pending_bodies
from handlers.reading.pending_bodies import (
    PENDING_BODIES,
    PENDING_FORMS,
    SMALL_BYTES,
    PendingBodies,
    PendingBody,
)
from service.vocabulary.errors import OverloadedError
from tests.gateway import until
from tests.handlers.conftest import Serve
from tests.handlers.scripted import BEARER, Surroundings

MIB = 1024 * 1024
CHAT = "/v1/chat/completions"


class Bodies:
    """Bodies under a budget of 16 MiB, 4 for each holder, on the test's own clock."""

    def __init__(self, stack: ExitStack) -> None:
        self.clock = 0.0
        self.ended: list[str] = []
        self.budget = PendingBodies(16 * MIB, 4 * MIB, lambda: self.clock)
        self._stack = stack
        self._open: dict[str, ExitStack] = {}

    def begin(self, name: str, *holders: str, came: int = 0) -> PendingBody:
        self._open[name] = self._stack.enter_context(ExitStack())
        opened = self.budget.one_more(holders or (name,), lambda: self.ended.append(name))
        body = self._open[name].enter_context(opened)
        body.came(came)
        return body

    def end(self, name: str) -> None:
        self._open.pop(name).close()


@pytest.fixture
def bodies() -> AsyncIterator[Bodies]:
    with ExitStack() as stack:
        made = Bodies(stack)
        yield made
    assert made.budget.held == 0


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending_bodies, "PATIENCE_SECONDS", 0.01)
    monkeypatch.setattr(pending_bodies, "AGAIN_SECONDS", 0.01)


async def waits(work: object) -> "asyncio.Task[None]":
    task: asyncio.Task[None] = asyncio.ensure_future(work)  # type: ignore[arg-type]
    for _ in range(3):
        await asyncio.sleep(0)
    assert not task.done()
    return task


async def test_a_small_body_never_waits(bodies: Bodies) -> None:
    for number in range(40):
        await bodies.begin(f"{number}", "one address").hold(SMALL_BYTES)
    assert bodies.budget.held == 40 * MIB


async def test_a_large_body_waits_until_there_is_room(bodies: Bodies) -> None:
    for name in "abcd":
        await bodies.begin(name).hold(4 * MIB)
    fifth = await waits(bodies.begin("e").hold(3 * MIB))
    sixth = await waits(bodies.begin("f").hold(2 * MIB))
    bodies.end("b")
    await fifth
    assert not sixth.done(), "one MiB is left"
    bodies.end("a")
    await sixth
    assert bodies.ended == []


async def test_who_has_a_share_full_stops_nobody_else(bodies: Bodies) -> None:
    await bodies.begin("a", "address 1", "token 1").hold(3 * MIB)
    await waits(bodies.begin("b", "address 1", "token 2").hold(2 * MIB))
    await waits(bodies.begin("c", "address 2", "token 1").hold(2 * MIB))
    await bodies.begin("d", "address 2", "token 2").hold(4 * MIB)


async def test_a_body_that_gets_no_room_in_time_is_refused(
    bodies: Bodies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending_bodies, "WAIT_SECONDS", 0.05)
    await bodies.begin("a", "one").hold(3 * MIB)
    with pytest.raises(OverloadedError) as caught:
        await bodies.begin("b", "one").hold(2 * MIB)
    assert caught.value.status == 503
    assert caught.value.retry_after_seconds == 10
    assert bodies.budget.held == 3 * MIB


@pytest.mark.usefixtures("_quick")
async def test_the_slowest_ends_for_those_who_wait(bodies: Bodies) -> None:
    silent = bodies.begin("silent", came=4 * MIB)
    await silent.hold(4 * MIB)
    bodies.clock = 60
    for name in ("quick", "steady", "slow"):
        await bodies.begin(name, came=2 * MIB if name == "slow" else 3 * MIB).hold(4 * MIB)
    bodies.clock += 3
    large = await waits(bodies.begin("large").hold(2 * MIB))
    await until(lambda: bodies.ended)
    await asyncio.sleep(0.05)
    assert bodies.ended == ["silent"], "enough for now"
    bodies.end("silent")
    await large
    another = await waits(bodies.begin("another").hold(3 * MIB))
    await until(lambda: len(bodies.ended) > 1)
    assert bodies.ended == ["silent", "slow"]
    another.cancel()
    with suppress(asyncio.CancelledError):
        await another


@pytest.mark.usefixtures("_quick")
async def test_only_a_holder_s_own_bodies_end_for_its_share(bodies: Bodies) -> None:
    await bodies.begin("honest", "address 2", came=0).hold(2 * MIB)
    await bodies.begin("liar", "address 1", came=9 * MIB).hold(4 * MIB)
    bodies.clock += 3
    waiting = await waits(bodies.begin("more", "address 1").hold(2 * MIB))
    await until(lambda: bodies.ended)
    assert bodies.ended == ["liar"]
    bodies.end("liar")
    await waiting


async def test_small_bodies_end_the_slowest_at_once_and_only_as_many_as_need_be(
    bodies: Bodies,
) -> None:
    for number in range(4):
        await bodies.begin(f"large {number}", came=number).hold(4 * MIB)
    await bodies.begin("small").hold(1000)
    await bodies.begin("other").hold(SMALL_BYTES)
    assert bodies.ended == ["large 0"]


async def room_for(client: TestClient, size: int) -> None:
    """Set the gateway's budget to this size, all of which one holder may take."""
    client.app[PENDING_BODIES]._max_bytes = client.app[PENDING_BODIES]._max_held = size


def chat_of(size: int) -> BytesIO:
    start = b'{"model":"gpt-4o","messages":[{"role":"user","content":"Hello"}],"pad":"'
    return BytesIO(start + b"x" * (size - len(start) - 2) + b'"}')


@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize("is_chunked", [False, True])
async def test_an_unfinished_body_ends_so_that_another_is_read(
    serve: Serve, is_chunked: bool
) -> None:
    client = await serve()
    await room_for(client, 5 * MIB)
    budget, body, finish = client.app[PENDING_BODIES], chat_of(4 * MIB).getvalue(), asyncio.Event()
    headers = {**BEARER, **({} if is_chunked else {"Content-Length": str(len(body))})}

    async def unfinished() -> AsyncIterator[bytes]:
        yield body[:-10]
        await finish.wait()

    liar = asyncio.ensure_future(client.post(CHAT, data=unfinished(), headers=headers))
    await until(lambda: budget.held >= 3 * MIB, 10)
    async with client.post(CHAT, data=chat_of(3 * MIB), headers=BEARER) as response:
        assert response.status == 200, await response.text()
    assert (await liar).status == 408
    finish.set()
    await until(lambda: budget.held == 0)


async def test_a_body_that_finds_no_room_is_503(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending_bodies, "WAIT_SECONDS", 0.1)
    client = await serve()
    await room_for(client, 1)
    async with client.post(CHAT, data=chat_of(2 * MIB), headers=BEARER) as response:
        assert response.status == 503
        assert response.headers["Retry-After"] == "10"
        assert (await response.json())["error"]["code"] == "server_overloaded"
    async with client.post(CHAT, data=chat_of(MIB // 2), headers=BEARER) as response:
        assert response.status == 200


@pytest.mark.usefixtures("_quick")
async def test_an_unfinished_form_ends_so_that_another_is_received(
    serve: Serve, around: Surroundings, tmp_path: Path
) -> None:
    around.folder = tmp_path
    client = await serve()
    forms = client.app[PENDING_FORMS]
    forms._max_bytes = forms._max_held = 5 * MIB
    headers = {**BEARER, "Content-Type": "multipart/form-data; boundary=x"}
    part = b'--x\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n'
    file = part % (b"file", b'; filename="a.txt"', b"x" * 3 * MIB)
    form = part % (b"purpose", b"", b"user_data") + file + b"--x--\r\n"
    finish = asyncio.Event()

    async def unfinished() -> AsyncIterator[bytes]:
        yield file[:-10]
        await finish.wait()

    liar = asyncio.ensure_future(client.post("/v1/files", data=unfinished(), headers=headers))
    await until(lambda: forms.held >= 3 * MIB, 10)
    async with client.post("/v1/files", data=BytesIO(form), headers=headers) as response:
        assert response.status == 200, await response.text()
    assert (await liar).status == 408
    finish.set()
    await until(lambda: forms.held == 0)
    assert list((tmp_path / "uploads" / "incoming").iterdir()) == []
