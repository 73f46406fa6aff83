import asyncio
import time

import pytest

from service.pipeline import usage
from service.pipeline.usage import MESSAGE_TOKENS, REPLY_TOKENS, count, measure
from service.vocabulary.rendered import TokenCounts
from tests.rows import each_row


@each_row(("text", "tokens"), [("", 0), ("hello world", 2), ("<|endoftext|>", 7), ("a" * 8, 1)])
def test_counts_are_those_of_o200k(text: str, tokens: int) -> None:
    assert count(text) == tokens


def test_lone_surrogates_are_counted_like_replacement_characters() -> None:
    assert count("a\ud83d b\udc00") == count("a\ufffd b\ufffd")


@pytest.mark.whole
@pytest.mark.parametrize("character", ["a", " ", "你", "\n", "=", "\ud800"])
def test_a_megabyte_of_one_character_takes_bounded_time(character: str) -> None:
    started = time.thread_time()  # not the clock: others may use the machine
    assert count(character * 1_000_000) > 1_000
    assert time.thread_time() - started < 3


async def test_reasoning_is_part_of_the_completion() -> None:
    found = await measure(["hello world", "hello"], "hello world", "hello")
    assert found == TokenCounts(
        prompt_tokens=3 + 2 * MESSAGE_TOKENS + REPLY_TOKENS, completion_tokens=3, reasoning_tokens=1
    )
    assert found.total_tokens == found.prompt_tokens + 3


async def test_no_count_of_an_answer_is_zero() -> None:
    found = await measure([""], "", "")
    assert found.prompt_tokens > 0
    assert found.completion_tokens == 1


async def test_a_long_text_is_counted_off_the_event_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    moved: list[str] = []
    real = asyncio.to_thread

    async def to_thread(function, *args):
        moved.append(function.__name__)
        return await real(function, *args)

    await usage.loaded_encoding()
    monkeypatch.setattr(asyncio, "to_thread", to_thread)
    await measure(["hello"], "hello", "")
    assert moved == []
    await measure(["hello"], "hello " * 1_000, "")
    assert moved == ["_measure"]


async def test_the_tables_are_read_once() -> None:
    assert await usage.loaded_encoding() is await usage.loaded_encoding()
