"""A picture drawn after the stream has ended, read from the stored conversation (protocol 8.2b)."""

from collections.abc import AsyncGenerator

from service.orders.images import picture_failure
from service.stages.decode.messages import read_message
from service.stages.translate.pictures import generated_pictures
from service.vocabulary.credentials import Caller
from service.vocabulary.errors import ServiceError
from service.vocabulary.events import (
    BodyEnd,
    BodyEnded,
    Message,
    MessageSnapshot,
    PictureWanted,
    UpstreamEvent,
    UpstreamFault,
)
from upstream.website.turn.conversations import Conversations
from upstream.website.turn.waiting import Pauses, Wait

MAX_WAIT_SECONDS = 180.0
_TOOL = "image_gen"  # pictures that follow such a turn are an image tool's, under any name
_NOT_IN_TIME = "The picture did not come in time; it may still appear in the conversation."
TEMPORARY = (
    "The picture is drawn after the answer has ended, and temporary chats do not store it; "
    "set conversation.temporary to false."
)
_NO_WORDS = "no reason was given"


async def picture_events(
    conversations: Conversations, caller: Caller, wanted: PictureWanted, wait: Wait
) -> AsyncGenerator[list[UpstreamEvent], None]:
    """Yield the conversation's new messages, once its pictures are there or the wait is over.

    Polls that fail are tolerated. Messages that were passed on before are recognised by their ids.
    """
    until = min(wait.clock.now() + MAX_WAIT_SECONDS, wait.deadline)
    polls = _Polls(conversations, caller, wanted, wait.sent)
    pauses = Pauses(wait)
    while not polls.is_done and await pauses.until(until):
        if wait.closing.is_set():
            yield [BodyEnded(BodyEnd.SHUTDOWN)]
            return
        await polls.poll()
    events: list[UpstreamEvent] = [MessageSnapshot(message) for message in polls.messages]
    if polls.error is not None and not polls.pictures:
        events.append(UpstreamFault(picture_failure(polls.error or _NO_WORDS), is_body=False))
    yield [*events, BodyEnded(BodyEnd.WAITED, _NOT_IN_TIME)]


class _Polls:
    """The polls of one conversation, and the pictures found so far."""

    def __init__(
        self,
        conversations: Conversations,
        caller: Caller,
        wanted: PictureWanted,
        sent: frozenset[str],
    ) -> None:
        self.messages: list[Message] = []
        self.pictures: set[str] = set()
        self.error: str | None = None
        self._conversations = conversations
        self._caller = caller
        self._conversation_id = wanted.conversation_id or ""
        self._task_ids = wanted.task_ids
        self._sent = sent

    @property
    def is_done(self) -> bool:
        """Whether nothing more will come: all pictures are there, or one failed."""
        return self.error is not None or len(self.pictures) >= max(1, len(self._task_ids))

    async def poll(self) -> None:
        """Read the conversation, and the account's tasks if a picture is still missing."""
        try:
            stored = await self._conversations.messages_since(
                self._caller, self._conversation_id, self._sent
            )
            self._take([message for raw in stored if (message := read_message(raw)) is not None])
            if not self.is_done:
                self.error = self._task_error(await self._conversations.tasks(self._caller))
        except ServiceError:
            return  # it may pass, and the wait has an end

    def _take(self, messages: list[Message]) -> None:
        self.messages = messages
        self.pictures = {
            picture.file_id
            for message in messages
            for picture in generated_pictures(message, _TOOL)
            if not picture.is_preview
        }
        errors = [message for message in messages if message.metadata.get("is_error") is True]
        if errors:
            self.error = errors[-1].text

    def _task_error(self, tasks: list[dict[str, object]]) -> str | None:
        """Return the error text of a failed task of this turn, or None (protocol 8.2b)."""
        for task in tasks:
            raw = task.get("image_gen_message")
            message = read_message(raw) if isinstance(raw, dict) else None
            names = (task.get("conversation_id"), task.get("original_conversation_id"))
            is_ours = self._conversation_id in names and self._is_of_turn(task.get("task_id"))
            if message is not None and is_ours and message.metadata.get("is_error") is True:
                return message.text
        return None

    def _is_of_turn(self, task_id: object) -> bool:
        """Tell whether a task may be this turn's; a failed one may be of an earlier turn."""
        return not (self._task_ids and isinstance(task_id, str)) or task_id in self._task_ids
