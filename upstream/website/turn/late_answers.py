"""An answer that comes after the stream has ended, read from the stored conversation (spec 7.2).

Long turns are handed off, or declared complete, while the model is still thinking; the final answer
is then in the conversation only. The conversation is polled, and its answer passed on as it grows:

    poll ─▶ nothing yet ─▶ pause ─▶ poll ─▶ half of it ─▶ pause ─▶ poll ─▶ all of it ─▶ WAITED
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

# Refusals in a row after which the conversation counts as unreadable. The first may only mean that
# it is not stored yet, so the next poll follows soon.
MAX_REFUSALS = 3
REFUSAL_PAUSE_SECONDS = 0.5
_PASSING_STATUSES = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS)


async def answer_events(
    conversations: Conversations, caller: Caller, wanted: AnswerWanted, wait: Wait
) -> AsyncGenerator[list[UpstreamEvent], None]:
    """Yield the conversation's new and changed messages as they are seen, then the end of the wait.

    The wait ends with a finished answer to this turn, when nothing has changed for too long, at the
    turn's deadline, or when the conversation cannot be read. Messages that were passed on before
    are recognised by their ids.
    """
    polls = _Polls(conversations, caller, wanted, wait.sent)
    pauses = Pauses(wait)
    changed_at = wait.clock.now()
    while True:
        if events := await polls.poll():
            changed_at = wait.clock.now()
            yield events
        end = min(changed_at + wait.idle_seconds, wait.deadline)
        if polls.is_done or not await pauses.until(end, polls.pause_seconds):
            break
        if wait.closing.is_set():
            yield [BodyEnded(BodyEnd.SHUTDOWN)]
            return
    yield [BodyEnded(BodyEnd.WAITED)]


class _Polls:
    """The polls of one conversation, and the messages seen so far."""

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
        """The longest pause before the next poll."""
        return REFUSAL_PAUSE_SECONDS if self._refusals else LAST_PAUSE_SECONDS

    async def poll(self) -> list[UpstreamEvent]:
        """Read the conversation; return events for all messages that are new or changed."""
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
        """Tell whether nothing more will come, since the answer is finished or none will follow."""
        if any(is_final_answer(message) or _is_at_limit(message) for message in messages):
            return True
        if any(is_picture_task(message) for message in messages):
            return True  # late_pictures.py waits for pictures
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
    """Tell whether the upstream refuses to show a conversation, for a reason that rarely passes."""
    if not isinstance(error, UpstreamRefusedError):
        return False
    status = error.upstream_status
    is_of_caller = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    return is_of_caller and status not in _PASSING_STATUSES
