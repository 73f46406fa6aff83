"""Rendered -> bytes for the caller: the events of a streamed response, or the response object.

`event:` equals the `type` of the data, and `sequence_number` counts from 0 (openai-wire 8);
otherwise the framing is that of `chat.py`. Events that have to contain a whole text or picture are
as long as it is; all others are one short line.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import UNSET, structs

from service.answers.response_events import (
    LifecycleEvent,
    NumberedEvent,
    ResponseCompleted,
    ResponseCreated,
    ResponseFailed,
    ResponseFailure,
    ResponseIncomplete,
    ResponseInProgress,
    ResponseQueued,
)
from service.answers.responses import (
    IncompleteDetails,
    InputTokens,
    ModelResponse,
    OutputTokens,
    ResponseError,
    ResponseStatus,
    ResponseUsage,
)
from service.stages.encode.chat import MAX_EXTRAS_BYTES
from service.stages.encode.gathered import Gathered
from service.stages.encode.response_output import OutputItems
from service.vocabulary import endings
from service.vocabulary.events import Failure
from service.vocabulary.rendered import ContentText, Rendered, TokenCounts
from service.vocabulary.requests import Function
from service.vocabulary.wire import error_of, shortened, to_json

CANCELLED_CODE = "response_cancelled"
# The end of a response that its caller cancelled.
CANCELLED = endings.GONE.ended(
    failure=Failure(400, "This response was cancelled.", "invalid_request_error", CANCELLED_CODE)
)
_INCOMPLETE: dict[str | None, IncompleteDetails] = {
    "length": IncompleteDetails("max_output_tokens"),
    "content_filter": IncompleteDetails("content_filter"),
}


class ResponseEvents:
    """One response; its stream begins with `opening`.

    Before a batch is fed, the content of its pictures, in base64 by URL, has to be in `pictures`,
    and before the last one the time of the end in `completed_at`, in seconds since 1970.

    Args:
        begun: the response before anything has arrived.
        functions: the callable functions.
        is_temporary: the upstream keeps no conversation, so its ids are not sent.
        shows_sealed: the caller wants encrypted reasoning.
        is_queued: it is in the background, and queued until `begin`.
    """

    # All the parameters of a response, each named where it is given.
    def __init__(
        self,
        begun: ModelResponse,
        functions: Iterable[Function] = (),
        *,
        is_temporary: bool = False,
        shows_sealed: bool = False,
        is_queued: bool = False,
    ) -> None:
        self.gathered = Gathered()
        self.pictures: dict[str, str] = {}
        self.completed_at: int | None = None
        self._begun = begun
        self._is_temporary = is_temporary
        self._items = OutputItems(begun.id, self.pictures, functions, shows_sealed=shows_sealed)
        self._failure: Failure | None = None
        self._is_queued = is_queued
        self._sequence_number = 0
        # Long instructions or tools of the caller's must not make an unreadably long line.
        is_long = len(to_json(begun)) > MAX_EXTRAS_BYTES
        self._line = structs.replace(begun, instructions=None, tools=[]) if is_long else begun
        first = ResponseQueued if is_queued else ResponseInProgress
        self.opening = self._lifecycle(ResponseCreated) + self._lifecycle(first)

    @property
    def status(self) -> ResponseStatus:
        """The status of the response as it is now."""
        if self._failure is not None:
            return "cancelled" if self._failure.code == CANCELLED_CODE else "failed"
        ended = self.gathered.ended
        if ended is None:
            return "queued" if self._is_queued else "in_progress"
        return "incomplete" if ended.finish_reason in _INCOMPLETE else "completed"

    @property
    def sealed(self) -> dict[str, str]:
        """What of the reasoning only the upstream can read, by the ids of the items."""
        return self._items.sealed

    def response(self, counts: TokenCounts | None = None) -> ModelResponse:
        """Return the response object as it is now."""
        return self._as_now(self._begun, counts)

    def begin(self) -> bytes:
        """Return the event that tells of the beginning of a queued response; empty for others."""
        if not self._is_queued:
            return b""
        self._is_queued = False
        return self._lifecycle(ResponseInProgress)

    def keep_alive(self) -> bytes:
        """Return an empty delta as a keep-alive; another `in_progress` where no text is growing."""
        growing = self._items.open_item
        still = growing.still() if growing else None
        return self._frame(still) if still else self._lifecycle(ResponseInProgress)

    def feed_batch(self, batch: Iterable[Rendered]) -> bytes:
        """Return the events of a batch; neighbouring texts share an event."""
        return b"".join([self._frame(event) for event in self._events(batch)])

    def text(self, text: str) -> bytes:
        """Return the events of text, which are numbered and gathered at once."""
        return self.feed_batch([ContentText(text)])

    def gather(self, pieces: list[Rendered]) -> None:
        """Do nothing, since `text` has gathered everything."""

    def take_batch(self, batch: Iterable[Rendered]) -> None:
        """Take a batch of a response that is not streamed."""
        for _ in self._events(batch):
            pass

    def finish(self, counts: TokenCounts | None) -> bytes:
        """Return the last event of a response that did not fail."""
        is_whole = self.status == "completed"
        return self._lifecycle(ResponseCompleted if is_whole else ResponseIncomplete, counts)

    def fail(self, failure: Failure) -> bytes:
        """Return the last events of a failed or cancelled response; its output stays in it.

        A failure is sent twice, as `response.failed` and as `error`, since readers look at either.
        """
        self._failure = failure
        closing = b"".join([self._frame(event) for event in self._items.close("incomplete")])
        if self.status == "cancelled":  # it has no event; readers raise at a failed one
            return closing + self._lifecycle(ResponseIncomplete)
        return closing + self._lifecycle(ResponseFailed) + self._frame(failure_event(failure))

    def _events(self, batch: Iterable[Rendered]) -> Iterator[NumberedEvent]:
        for piece in _joined(batch):
            self.gathered.feed(piece)
            yield from self._items.feed(piece)

    def _lifecycle(self, kind: type[LifecycleEvent], counts: TokenCounts | None = None) -> bytes:
        return self._frame(kind(response=self._as_now(self._line, counts)))

    def _as_now(self, begun: ModelResponse, counts: TokenCounts | None) -> ModelResponse:
        ended, failure = self.gathered.ended, self._failure
        status = self.status
        error = ResponseError(failure.code or failure.type, failure.message) if failure else None
        extras: dict[str, Any] = {
            **self.gathered.names(is_temporary=self._is_temporary),
            **self.gathered.links(),
        }
        return structs.replace(
            begun,
            completed_at=self.completed_at if status == "completed" else None,
            status=status,
            error=error if status == "failed" else None,
            incomplete_details=_INCOMPLETE.get(ended.finish_reason if ended else None),
            output=self._items.output,
            usage=response_usage(counts) if counts else None,
            **extras,
        )

    def _frame(self, event: NumberedEvent) -> bytes:
        self._sequence_number += 1
        return framed(event, self._sequence_number - 1)


def failure_frame(failure: Failure, number: int) -> bytes:
    """Return the event of a failure that is not the response's own, with its number."""
    return framed(failure_event(failure), number)


def failure_event(failure: Failure) -> ResponseFailure:
    """Return the last event of a failed stream."""
    error = error_of(shortened(failure)).error
    return ResponseFailure(code=error.code, message=error.message, error=error)


def framed(event: NumberedEvent, number: int) -> bytes:
    """Return an event with its number, as it is sent."""
    numbered = structs.replace(event, sequence_number=number)
    return b"event: %b\ndata: %b\n\n" % (event.type.encode(), to_json(numbered))


def response_usage(counts: TokenCounts) -> ResponseUsage:
    """Return the `usage` of a response."""
    return ResponseUsage(
        input_tokens=counts.prompt_tokens,
        output_tokens=counts.completion_tokens,
        input_tokens_details=InputTokens(counts.cached_tokens),
        output_tokens_details=OutputTokens(counts.reasoning_tokens),
        total_tokens=counts.total_tokens,
        estimated=True if counts.is_estimated else UNSET,
    )


def _joined(batch: Iterable[Rendered]) -> Iterator[Rendered]:
    """Yield the pieces of a batch, neighbouring texts as one."""
    run: list[str] = []
    for piece in batch:
        if isinstance(piece, ContentText):
            run.append(piece.text)
            continue
        if run:
            yield ContentText("".join(run))
            run = []
        yield piece
    if run:
        yield ContentText("".join(run))
