"""Token counts by the o200k encoding, whose tables ship in the wheel of splintr (spec 6.3).

The website never tells its own counts, so every count here is an estimate and is marked as one.
Loading takes a tenth of a second and 43 MiB, which processes share that are forked afterwards. A
megabyte takes about 0.03 s. The library keeps the interpreter's lock while it counts, so long texts
are counted by a thread, in slices, between which the event loop runs.
"""

import asyncio
from collections.abc import Iterator, Sequence
from functools import cache

import splintr

from service.stages.render.limit import BREAK, tokenizable
from service.vocabulary.rendered import TokenCounts

MESSAGE_TOKENS = 4  # role and separators of one message, as OpenAI's cookbook counts them
REPLY_TOKENS = 3  # the start of the answer, likewise
SLICE_CHARS = 16_000  # counted in 0.5 ms, at worst in 8
_BREAK_CHARS = 2_000  # within which the end of a slice looks for a place where no token is cut
MAX_CACHED_CHARS = 250_000
_RARE_WORD = "qzxjw"
_SPECIAL = "<|"  # begins the names of all special tokens
_TOKEN_BYTES = 4


class _O200k:
    """The encoding of splintr, whose cache of words would keep all that callers ever sent."""

    def __init__(self) -> None:
        self._known = splintr.Tokenizer.from_pretrained("o200k_base")
        self._cached_chars = 0  # at most

    def encode_ordinary(self, text: str) -> list[int]:
        """Return the tokens of a text."""
        self._keep_small(text)
        return self._known.encode_ordinary(text)

    def count(self, text: str) -> int:
        """Return the number of tokens of a text."""
        if _SPECIAL in text:  # the other way makes one token of `<|endoftext|>`
            return len(self.encode_ordinary(text))
        self._keep_small(text)
        return len(self._known.encode_flat(text)) // _TOKEN_BYTES  # without a list of integers

    def decode_bytes(self, tokens: Sequence[int]) -> bytes:
        """Return the UTF-8 bytes of the tokens; the last character may be cut."""
        return self._known.decode_bytes(tokens)

    def _keep_small(self, text: str) -> None:
        """Clear the cache if it may become too large with this text."""
        self._cached_chars += len(text)
        if self._cached_chars > MAX_CACHED_CHARS:
            self._known.clear_cache()
            self._cached_chars = len(text)


@cache
def encoding() -> _O200k:
    """Return the o200k encoding; the first call loads it, which takes a tenth of a second."""
    return _O200k()


def load_for_forks() -> None:
    """Load also what the library loads with its first text, to share it with forked processes.

    The first word that is no token builds 11 MiB of tables, in each process that has none.
    """
    encoding().encode_ordinary(_RARE_WORD)


async def loaded_encoding() -> _O200k:
    """Return the encoding; where the start did not load it, its tables are read in a thread."""
    if encoding.cache_info().currsize:
        return encoding()
    return await asyncio.to_thread(encoding)


def count(text: str) -> int:
    """Return the number of tokens in a text; blocks for about 0.03 s a megabyte."""
    if not text:
        return 0
    known, text = encoding(), tokenizable(text)
    if len(text) <= SLICE_CHARS:
        return known.count(text)
    return sum(map(known.count, _slices(text)))


def _slices(text: str) -> Iterator[str]:
    """Yield a text in parts whose tokens are those of the whole, unless a word is very long."""
    at = 0
    while at < len(text):
        end = at + SLICE_CHARS
        if found := BREAK.search(text, end, end + _BREAK_CHARS):
            end = found.start()
        yield text[at:end]
        at = end


async def measure(prompt: Sequence[str], content: str, reasoning: str) -> TokenCounts:
    """Count the tokens of a request and its answer, in a thread unless they are one slice.

    Args:
        prompt: the text of each message.
        content: the answer.
        reasoning: the reasoning before it.
    """
    await loaded_encoding()
    size = sum(map(len, prompt)) + len(content) + len(reasoning)
    if size <= SLICE_CHARS:  # a thread would keep the event loop waiting as long
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
