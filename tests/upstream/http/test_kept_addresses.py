"""The last good addresses are used when the resolver is slow or dead."""

import asyncio
import socket

import pytest
from aiohttp.abc import AbstractResolver

from upstream.http import kept_addresses
from upstream.http.kept_addresses import KeptAddresses


class Scripted(AbstractResolver):
    """Answers as the test says: with addresses, an error, or not at all."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    async def resolve(self, host, port=0, family=socket.AF_INET):  # noqa: ARG002
        self.asked.append((host, port))
        answer = self.answers.pop(0)
        if isinstance(answer, asyncio.Event):
            await answer.wait()
            answer = "10.0.0.9"
        if isinstance(answer, Exception):
            raise answer
        return [{"host": answer, "port": port}]

    async def close(self):
        self.answers = None


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(kept_addresses, "PATIENCE_SECONDS", 0.01)


async def hosts(kept, name="up.test"):
    return [found["host"] for found in await kept.resolve(name, 80)]


async def test_newer_addresses_count():
    kept = KeptAddresses(5, Scripted("10.0.0.1", "10.0.0.2"))
    assert await hosts(kept) == ["10.0.0.1"]
    assert await hosts(kept) == ["10.0.0.2"]


async def test_the_last_good_ones_stand_in_for_an_error_and_for_silence():
    answered = asyncio.Event()
    inner = Scripted("10.0.0.1", OSError("dead"), answered, "10.0.0.3")
    kept = KeptAddresses(5, inner)
    for _ in range(5):
        assert await hosts(kept) == ["10.0.0.1"]
    assert len(inner.asked) == 3, "a look-up under way is not begun again"
    answered.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    kept._inner.answers.insert(0, OSError("dead"))
    assert await hosts(kept) == ["10.0.0.9"]


async def test_without_any_a_name_fails_by_its_error_or_in_time():
    kept = KeptAddresses(0.05, Scripted(OSError("no such name"), asyncio.Event()))
    with pytest.raises(OSError, match="no such name"):
        await hosts(kept)
    with pytest.raises(OSError, match="in time"):
        await hosts(kept, "other.test")
    await kept.close()


async def test_hosts_are_bounded(monkeypatch):
    monkeypatch.setattr(kept_addresses, "MAX_HOSTS", 10)
    kept = KeptAddresses(5, Scripted(*["10.0.0.1"] * 30))
    for number in range(30):
        await hosts(kept, f"{number}.test")
    assert len(kept._kept) == 10
