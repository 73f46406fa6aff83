"""Files of one request, a few at once."""

import asyncio

import pytest

from service.vocabulary.errors import RequestError
from service.vocabulary.requests import FilePart
from upstream.fetching.side_by_side import AT_ONCE, for_parts

PARTS = [FilePart(f"p{number}") for number in range(3 * AT_ONCE)]


async def test_what_came_of_each_part_is_by_its_path_and_few_are_done_at_once():
    running: list[str] = []
    most = 0

    async def work(part: FilePart) -> str:
        nonlocal most
        running.append(part.path)
        most = max(most, len(running))
        await asyncio.sleep(0)
        running.remove(part.path)
        return part.path.upper()

    assert await for_parts(PARTS, work) == {part.path: part.path.upper() for part in PARTS}
    assert most == AT_ONCE
    assert await for_parts([], work) == {}


async def test_the_first_failure_ends_the_others_and_is_told():
    done: list[str] = []

    async def work(part: FilePart) -> None:
        if part.path == "p1":
            raise RequestError("p1 is wrong")
        await asyncio.sleep(3600)
        done.append(part.path)

    with pytest.raises(RequestError, match="p1 is wrong"):
        await for_parts(PARTS, work)
    assert done == []


async def test_a_fault_of_ours_is_not_told_as_the_callers():
    async def work(part: FilePart) -> None:
        raise KeyError(part.path)

    with pytest.raises(ExceptionGroup):
        await for_parts(PARTS, work)
