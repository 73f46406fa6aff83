"""Where a handed-off turn goes on: the resumed stream, or what was stored (protocol 4.6)."""

import asyncio
import random
from collections.abc import AsyncGenerator, Collection

from service.stages.decode.messages import is_final_answer, read_message
from service.vocabulary.credentials import Caller
from service.vocabulary.errors import (
    ServiceError,
    UpstreamRefusedError,
    UpstreamTimeoutError,
    UpstreamUnreachableError,
)
from service.vocabulary.events import (
    BodyEnd,
    BodyEnded,
    DoneReceived,
    MessageSnapshot,
    ResumeWanted,
    UpstreamEvent,
)
from upstream.website.turn.client import TurnBody, TurnClient
from upstream.website.turn.conversations import Conversations

# The official client's own figures: at most twelve tries, min(300 * 1.5^n, 5000) ms each.
MAX_TRIES = 12
_FIRST_PAUSE_SECONDS = 0.3
_GROWTH = 1.5
_MAX_PAUSE_SECONDS = 5.0
_PASSING_STATUSES = (408, 409, 425, 429, 502, 504)


async def open_resumed(
    client: TurnClient, caller: Caller, wanted: ResumeWanted, offset: int
) -> TurnBody | None:
    """Return the body in which the turn goes on, None when it cannot be resumed."""
    if wanted.conversation_id is None:
        return None
    for tries in range(MAX_TRIES):
        try:
            return await client.resume(caller, wanted.conversation_id, offset, wanted.token)
        except UpstreamRefusedError as error:
            if error.upstream_status not in _PASSING_STATUSES:
                return None  # 410: the answer is stored; anything else will not change either
        except UpstreamUnreachableError:
            pass
        except UpstreamTimeoutError:
            return None
        pause = min(_FIRST_PAUSE_SECONDS * _GROWTH**tries, _MAX_PAUSE_SECONDS)
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
    return None


async def stored_events(
    conversations: Conversations, caller: Caller, wanted: ResumeWanted, sent: Collection[str]
) -> AsyncGenerator[list[UpstreamEvent], None]:
    """Yield what the stored conversation holds after the messages sent, as if streamed.

    What was given out before is recognised by its message ids.
    """
    events: list[UpstreamEvent] = []
    if wanted.conversation_id is not None:
        try:
            stored = await conversations.messages_since(caller, wanted.conversation_id, sent)
        except ServiceError:
            stored = []
        messages = [message for raw in stored if (message := read_message(raw)) is not None]
        events = [MessageSnapshot(message) for message in messages]
        if any(is_final_answer(message) for message in messages):
            events.append(DoneReceived())
    yield [*events, BodyEnded(BodyEnd.CUT)]
