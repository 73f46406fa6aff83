"""Opens the stream in which a handed-off turn continues (protocol 4.6)."""

import asyncio
import random

from service.vocabulary.credentials import Caller
from service.vocabulary.errors import (
    UpstreamRefusedError,
    UpstreamTimeoutError,
    UpstreamUnreachableError,
)
from service.vocabulary.events import ResumeWanted
from upstream.line.answer_body import AnswerBody
from upstream.website.turn.client import TurnClient

# The official client's own figures: at most twelve tries, min(300 * 1.5^n, 5000) ms each.
MAX_TRIES = 12
_FIRST_PAUSE_SECONDS = 0.3
_GROWTH = 1.5
_MAX_PAUSE_SECONDS = 5.0
_PASSING_STATUSES = (408, 409, 425, 429, 502, 504)


async def open_resumed(
    client: TurnClient, caller: Caller, wanted: ResumeWanted, offset: int
) -> AnswerBody | None:
    """Return the body in which the turn continues, None if it cannot be resumed."""
    if wanted.conversation_id is None:
        return None
    for tries in range(MAX_TRIES):
        try:
            return await client.resume(caller, wanted.conversation_id, offset, wanted.token)
        except UpstreamRefusedError as error:
            if error.upstream_status not in _PASSING_STATUSES:
                return None  # 410: the answer is stored; other refusals are final too
        except UpstreamUnreachableError:
            pass
        except UpstreamTimeoutError:
            return None
        pause = min(_FIRST_PAUSE_SECONDS * _GROWTH**tries, _MAX_PAUSE_SECONDS)
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
    return None
