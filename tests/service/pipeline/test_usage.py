import asyncio
import time
import warnings
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.pipeline import usage
from service.pipeline.usage import (
    MESSAGE_TOKENS,
    REPLY_TOKENS,
    SLICE_CHARS,
    count,
    encoding,
    load_for_forks,
    measure,
)
from service.vocabulary.rendered import TokenCounts
from tests.chance import examples
from tests.documents import ROOT
from tests.rows import each_row


@each_row(("text", "tokens"), [("", 0), ("hello world", 2), ("<|endoftext|>", 7), ("a" * 8, 1)])
def test_counts_are_those_of_o200k(text: str, tokens: int) -> None:
    assert count(text) == tokens


@pytest.fixture(scope="module")
def reference() -> Callable[[str], list[int]]:
    """Return another library's encoder."""
    with warnings.catch_warnings():
        # It opens its tables with a function that importlib.resources has deprecated.
        warnings.filterwarnings("ignore", ".*open_binary is deprecated", DeprecationWarning)
        import bpe_openai  # type: ignore[import-untyped]  # noqa: PLC0415 - it has no types

        return bpe_openai.get_encoding("o200k_base").encode_ordinary


CHINESE = "的一是不了人我在有他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可她里后小，。！？“”"
ALPHABETS = st.sampled_from(
    [
        *("aeinrst dl", "'sStTrReEvVmMlLdD \u2019", "0123456789 .,/\n", " \t\r\n\u3000", CHINESE),
        *(
            "\U0001f600\u200d\U0001f469\ufe0f\u0301e",
            "áßçÑΩЖ한국어日本語ไทยעברית",
            '{}[]()<>=+-*/_#"`|',
        ),
    ]
)
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.lists(ALPHABETS.flatmap(st.text)).map("".join),
)


@given(TEXTS)
@examples(100)
def test_tokens_of_any_text_are_those_of_another_library(
    reference: Callable[[str], list[int]], text: str
) -> None:
    tokens = encoding().encode_ordinary(text)
    assert tokens == reference(text)
    assert encoding().decode_bytes(tokens) == text.encode()
    assert count(text) == len(tokens)


REAL = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("service/**/*.py")])


def test_real_texts_have_as_many_tokens_in_slices_as_in_one(
    reference: Callable[[str], list[int]],
) -> None:
    texts = [path.read_text("utf-8") for path in REAL]
    assert sum("。" in text for text in texts) > 5  # Chinese among them
    assert sum(len(text) > SLICE_CHARS for text in texts) > 5
    for text in (*texts, "".join(texts)[: 20 * SLICE_CHARS]):
        assert count(text) == len(reference(text))


def test_little_of_what_was_counted_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "MAX_CACHED_CHARS", 10_000)
    known = encoding()
    for number in range(300):
        known.encode_ordinary(f"word{number:x}qx" * 10)
        assert known._known.cache_len * 10 <= 10_000


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
    await measure(["hello"], "hello " * 3_000, "")
    assert moved == ["_measure"]


async def test_the_tables_are_read_once() -> None:
    load_for_forks()
    assert await usage.loaded_encoding() is await usage.loaded_encoding() is encoding()
