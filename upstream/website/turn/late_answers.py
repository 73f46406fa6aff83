"""An answer that comes after the stream has ended, from the stored conversation (spec 7.2).

Long turns are handed off, or said to be complete, while the model still thinks; what it says in the
end is in the conversation only. It is read again and again, and given out as it grows there:

    look ─▶ nothing yet ─▶ pause ─▶ look ─▶ half of it ─▶ pause ─▶ look ─▶ all of it ─▶ WAITED
"""

from collections.abc import AsyncGenerator
from http import HTTPStatus
from typing import Any

from service.stages.decode.messages import (
    MessageKind,
    finish_type,
    is_final_answer,
    kind_of,
    read_message,
)
from service.stages.translate.late_pictures import is_picture_task
from service.vocabulary.credentials import Caller
from service.vocabulary.errors import ServiceError, UpstreamRefusedError
from service.vocabulary.events import (
    AnswerWanted,
    BodyEnd,
    BodyEnded,
    Message,
    MessageSnapshot,
    StreamCompleted,
    UpstreamEvent,
)
from upstream.website.turn.conversations import Conversations
from upstream.website.turn.waiting import LAST_PAUSE_SECONDS, Pauses, Wait

# Refusals in a row after which the conversation counts as one that cannot be read. The first may
# only say that it is not stored yet, so that the next look follows soon.
MAX_REFUSALS = 3
REFUSAL_PAUSE_SECONDS = 0.5
_PASSING_STATUSES = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS)


async def answer_events(
    conversations: Conversations, caller: Caller, wanted: AnswerWanted, wait: Wait
) -> AsyncGenerator[list[UpstreamEvent], None]:
    """Yield what the conversation gets, as soon as it is seen there, and then that it is all.

    It ends with a finished answer to this turn, when nothing changed for too long, at the turn's
    deadline, or when the conversation cannot be read. What was given out before is recognised by
    its message ids.
    """
    looks = _Looks(conversations, caller, wanted, wait.sent)
    pauses = Pauses(wait)
    changed_at = wait.clock.now()
    while True:
        if events := await looks.look():
            changed_at = wait.clock.now()
            yield events
        end = min(changed_at + wait.idle_seconds, wait.deadline)
        if looks.is_done or not await pauses.until(end, looks.pause_seconds):
            break
        if wait.closing.is_set():
            yield [BodyEnded(BodyEnd.SHUTDOWN)]
            return
    yield [BodyEnded(BodyEnd.WAITED)]


class _Looks:
    """What was seen of a conversation so far."""

    def __init__(
        self,
        conversations: Conversations,
        caller: Caller,
        wanted: AnswerWanted,
        sent: frozenset[str],
    ) -> None:
        self.is_done = False
        self._conversations = conversations
        self._caller = caller
        self._wanted = wanted
        self._sent = sent
        self._seen: dict[str, dict[str, Any]] = {}  # the raw messages by id
        self._refusals = 0  # in a row

    @property
    def pause_seconds(self) -> float:
        """How long the pause before the next look may be."""
        return REFUSAL_PAUSE_SECONDS if self._refusals else LAST_PAUSE_SECONDS

    async def look(self) -> list[UpstreamEvent]:
        """Return events for all messages that are new or not as they were."""
        try:
            stored = await self._conversations.messages_since(
                self._caller, self._wanted.conversation_id, self._sent, is_chosen=True
            )
        except ServiceError as error:
            self._refusals = self._refusals + 1 if _is_refusal(error) else 0
            self.is_done = self._refusals >= MAX_REFUSALS
            return []
        self._refusals = 0
        fresh = [raw for raw in stored if self._seen.get(str(raw.get("id"))) != raw]
        self._seen |= {str(raw.get("id")): raw for raw in fresh}
        messages = [message for raw in stored if (message := read_message(raw)) is not None]
        self.is_done = bool(messages) and self._is_last(stored[-1], messages)
        events: list[UpstreamEvent] = [
            MessageSnapshot(message) for raw in fresh if (message := read_message(raw)) is not None
        ]
        if any(_is_at_limit(message) for message in messages):
            events.append(StreamCompleted())
        return events

    def _is_last(self, raw: dict[str, Any], messages: list[Message]) -> bool:
        """Tell whether nothing more will come: by an answer, or since there will be none."""
        if any(is_final_answer(message) or _is_at_limit(message) for message in messages):
            return True
        if any(is_picture_task(message) for message in messages):
            return True  # pictures are waited for in a way of their own
        last = messages[-1]
        is_finished = last.is_finished and kind_of(last) is MessageKind.ANSWER
        is_open = raw.get("end_turn") is False or (not self._wanted.is_over and _says(last))
        return is_finished and not is_open


def _says(message: Message) -> bool:
    return bool(message.text or message.pointers)


def _is_at_limit(message: Message) -> bool:
    """Tell whether a message is an answer that ended at the upstream's token limit."""
    is_finished = message.is_finished and kind_of(message) is MessageKind.ANSWER
    return is_finished and finish_type(message) == "max_tokens"


def _is_refusal(error: ServiceError) -> bool:
    """Tell whether the upstream refused to show a conversation, which seldom passes."""
    if not isinstance(error, UpstreamRefusedError):
        return False
    status = error.upstream_status
    is_of_caller = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    return is_of_caller and status not in _PASSING_STATUSES
