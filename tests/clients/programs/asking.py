"""What the programs share: where they ask, what they ask, and how they say what passed."""

import asyncio
import inspect
import itertools
import os
from collections.abc import AsyncIterable, Awaitable, Callable

BASE = os.environ["OPENAI_BASE_URL"]
KEY = os.environ["OPENAI_API_KEY"]
MODEL = os.environ["MODEL"]

PLAIN = "What is 6*7?"
WEATHER = "What is the weather in Paris?"
TRIP = "Plan 3 days in Rome"
FEATURES = set(os.environ["FEATURES"].splitlines())
"""Those to try: `chat: stream`, or `: models` for what is of no dialect."""
TRIES = 20
CUT = "long 100 /fault cut 5"
REPORT = "19 degrees, windy"

Feature = Callable[[], None] | Callable[[], Awaitable[None]]


def is_wanted(name: str) -> bool:
    """Tell whether any of what `chat, responses: whole, stream` names is to be tried."""
    dialects, _, features = name.rpartition(": ")
    names = itertools.product(dialects.split(", "), features.split(", "))
    return any(": ".join(pair) in FEATURES for pair in names)


def passes(features: dict[str, Feature]) -> None:
    """Run each feature that is wanted, and say its name once it has passed; all in one event loop."""

    async def run() -> None:
        for name, feature in features.items():
            if not is_wanted(name):
                continue
            result = feature()
            if inspect.isawaitable(result):
                await result
            print(f"\npassed {name}", flush=True)  # what a client says may not end its line

    asyncio.run(run())


async def come_as_made(made: Callable[[], Awaitable[list[str]]]) -> None:
    """Hold the pieces of the arguments of a call, which are more than one.

    A busy machine may read all at once what came one after the other, so there are several tries.
    """
    for _ in range(TRIES):
        pieces = [piece for piece in await made() if piece]
        assert "".join(pieces) == '{"city": "Paris"}'
        if len(pieces) > 1:
            return
    raise AssertionError("the call came in one piece each time")


def failing(work: Callable[[], object], kind: type[Exception] = Exception) -> Exception:
    """Return the error that ends the work; work that ends as if all were well is one, too."""
    try:
        value = work()
    except kind as error:
        return error
    raise AssertionError(f"it ended as if it were whole: {value}")


async def drained(pieces: AsyncIterable[object]) -> list[object]:
    return [piece async for piece in pieces]


async def failing_later(work: Awaitable[object], kind: type[Exception] = Exception) -> Exception:
    """Likewise, for what is awaited."""
    try:
        value = await work
    except kind as error:
        return error
    raise AssertionError(f"it ended as if it were whole: {value}")
