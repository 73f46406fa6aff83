"""Token counts by the o200k encoding, whose tables ship in the wheel (spec 6.3).

The website never tells its own counts, so every count here is an estimate and is marked as one.
Loading takes a second and counting a megabyte some milliseconds: both happen in a thread.
"""

import asyncio
import warnings
from collections.abc import Sequence
from functools import cache

from service.stages.render.limit import Encoding, tokenizable
from service.vocabulary.rendered import TokenCounts

MESSAGE_TOKENS = 4  # role and separators of one message, as OpenAI's cookbook counts them
REPLY_TOKENS = 3  # the start of the answer, likewise
INLINE_CHARS = 2_000  # counted in 0.1 ms, which is less than the way to a thread and back
_SLICE_CHARS = 100_000  # the library refuses a million characters at once


@cache
def encoding() -> Encoding:
    """Return the o200k encoding; the first call reads its tables and takes a second."""
    with warnings.catch_warnings():
        # The library opens its tables with a function that importlib.resources has deprecated.
        warnings.filterwarnings("ignore", ".*open_binary is deprecated", DeprecationWarning)
        import bpe_openai  # type: ignore[import-untyped]  # noqa: PLC0415 - no stubs; slow

        loaded: Encoding = bpe_openai.get_encoding("o200k_base")
    return loaded


async def loaded_encoding() -> Encoding:
    """Return the encoding; where the start did not load it, its tables are read in a thread."""
    if encoding.cache_info().currsize:
        return encoding()
    return await asyncio.to_thread(encoding)


def count(text: str) -> int:
    """Return the number of tokens in a text; blocks for about 0.1 s a megabyte."""
    plain = tokenizable(text)
    starts = range(0, len(plain), _SLICE_CHARS)
    known = encoding()
    return sum(len(known.encode_ordinary(plain[at : at + _SLICE_CHARS])) for at in starts)


async def measure(prompt: Sequence[str], content: str, reasoning: str) -> TokenCounts:
    """Count the tokens of a request and its answer, in a thread unless they are short.

    Args:
        prompt: the text of each message.
        content: the answer.
        reasoning: the reasoning before it.
    """
    await loaded_encoding()
    size = sum(map(len, prompt)) + len(content) + len(reasoning)
    if size <= INLINE_CHARS:
        return _measure(prompt, content, reasoning)
    return await asyncio.to_thread(_measure, prompt, content, reasoning)


def _measure(prompt: Sequence[str], content: str, reasoning: str) -> TokenCounts:
    reasoning_tokens = count(reasoning)
    return TokenCounts(
        prompt_tokens=sum(count(text) + MESSAGE_TOKENS for text in prompt) + REPLY_TOKENS,
        # Clients take 0 for a failed answer, and an answer of one picture was not free either.
        completion_tokens=max(1, count(content) + reasoning_tokens),
        reasoning_tokens=reasoning_tokens,
    )
