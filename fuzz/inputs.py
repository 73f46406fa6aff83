"""How a fuzzer's bytes become an input: two bytes that decide all choices, then the body.

The body is not encoded, so seeds and findings are readable and transcripts can be seeds.
"""

import functools
import random
from typing import NamedTuple

from tests.oracle import render

CHOICE_BYTES = 2
MAX_PIECES = 400


class Input(NamedTuple):
    """A beginning, the fragment to repeat, and an end."""

    begin: str
    unit: str
    end: str

    def text(self, repeats: int) -> str:
        """Return the whole text with so many repeats."""
        return self.begin + self.unit * repeats + self.end

    def pieces(self, repeats: int) -> list[str]:
        """Return the text cut between the repeats."""
        return [self.begin, *([self.unit] * repeats), self.end]


def split(data: bytes) -> tuple[int, bytes]:
    """Return the number that decides all choices, and the body."""
    return int.from_bytes(data[:CHOICE_BYTES].ljust(CHOICE_BYTES, b"0")), data[CHOICE_BYTES:]


def pieces(body: bytes, choice: int) -> list[bytes]:
    """Return the body cut at random into few pieces, many, or single bytes."""
    chance = random.Random(choice)
    longest = chance.choice((1, 2, 5, 20, 100, 1000))
    longest = max(longest, 2 * len(body) // MAX_PIECES)
    cut, place = [], 0
    while place < len(body):
        size = chance.randint(1, longest)
        cut.append(body[place : place + size])
        place += size
    return cut


def texts(text: str, choice: int) -> list[str]:
    """Return the text cut at random into few pieces, many, or single characters."""
    chance = random.Random(choice)
    longest = max(chance.choice((1, 2, 5, 20, 100, 1000)), 2 * len(text) // MAX_PIECES)
    cut, place = [], 0
    while place < len(text):
        size = chance.randint(1, longest)
        cut.append(text[place : place + size])
        place += size
    return cut


@functools.cache
def transcripts(max_bytes: int) -> dict[str, bytes]:
    """Return the body of every transcript that fits, named `<transcript>-<generation>`."""
    found = {}
    for name in render.names():
        transcript = render.load(name)
        for generation in render.generations(transcript):
            body = b"".join(render.render(transcript, generation))
            if len(body) <= max_bytes - CHOICE_BYTES:
                found[f"{name}-{generation}"] = b"00" + body
    return found
