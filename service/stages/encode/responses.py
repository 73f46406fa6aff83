"""Rendered -> bytes for the caller: the events of a streamed response, or the response object.

`event:` equals the `type` of the data and `sequence_number` counts from 0
(openai-wire 8); framing is otherwise that of `encode.py`. Events that carry a whole
text or picture by their type are as long as it is; all others keep to one short line.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from service.stages.encode.chat import MAX_EXTRAS_BYTES, Gathered, ReplyMeta
from service.stages.encode.response_items import INCOMPLETE, Event
from service.stages.encode.response_output import OutputItems
from service.vocabulary import endings
from service.vocabulary.events import Failure
from service.vocabulary.rendered import ContentText, Rendered
from service.vocabulary.wire import to_json

CANCELLED_CODE = "response_cancelled"
# What ends a response whose caller wanted no more of it.
CANCELLED = endings.GONE.ended(
    failure=Failure(400, "This response was cancelled.", "invalid_request_error", CANCELLED_CODE)
)
_INCOMPLETE_REASONS = {"length": "max_output_tokens", "content_filter": "content_filter"}


class ResponseMeta(ReplyMeta, frozen=True, kw_only=True):
    """What is the same in every event of one response.

    `echo` has the fields of the request that the response object repeats.
    """

    echo: dict[str, Any]


class ResponseEvents:
    """One response; `opening` is what its stream begins with.

    Content of pictures, in base64 by URL, is put into `pictures` before their batch
    is fed.
    """

    def __init__(self, meta: ResponseMeta) -> None:
        self.gathered = Gathered()
        self.pictures: dict[str, str] = {}
        self._meta = meta
        self._items = OutputItems(meta.id, self.pictures)
        self._failure: Failure | None = None
        self._sequence_number = 0
        # A caller's own long instructions or tools are no reason for a line nobody can read.
        is_long = len(to_json(meta.echo)) > MAX_EXTRAS_BYTES
        shortened: dict[str, Any] = {"instructions": None, "tools": []} if is_long else {}
        self._line_echo = {**meta.echo, **shortened}
        started = self._lifecycle("created"), self._lifecycle("in_progress")
        self.opening = b"".join(map(self._frame, started))

    @property
    def status(self) -> str:
        """The status of the response as it is now."""
        if self._failure is not None:
            return "cancelled" if self._failure.code == CANCELLED_CODE else "failed"
        ended = self.gathered.ended
        if ended is None:
            return "in_progress"
        return INCOMPLETE if ended.finish_reason in _INCOMPLETE_REASONS else "completed"

    def response(self, usage: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the response object as it is now."""
        return self._object(self._meta.echo, usage)

    def keep_alive(self) -> bytes:
        """Return an empty delta for silence; a repeated `in_progress` where nothing grows."""
        growing = self._items.open_item
        return self._frame(growing.still() if growing else self._lifecycle("in_progress"))

    def feed_batch(self, batch: Iterable[Rendered]) -> bytes:
        """Return the events of a batch; neighbouring texts share an event."""
        return b"".join([self._frame(event) for event in self._events(batch)])

    def text(self, text: str) -> bytes:
        """Return the events of text, which is numbered and gathered at once."""
        return self.feed_batch([ContentText(text)])

    def gather(self, pieces: list[Rendered]) -> None:
        """Do nothing: `text` has taken all of it."""

    def take_batch(self, batch: Iterable[Rendered]) -> None:
        """Take a batch of a response that is not streamed."""
        for _ in self._events(batch):
            pass

    def finish(self, usage: dict[str, Any] | None) -> bytes:
        """Return the event that ends a response which did not fail."""
        kind = "incomplete" if self.status == INCOMPLETE else "completed"
        return self._frame(self._lifecycle(kind, usage))

    def fail(self, failure: Failure) -> bytes:
        """Return the events that end a failed or cancelled response; its output stays in it."""
        self._failure = failure
        closing = self._items.close(INCOMPLETE)
        # There is no kind of event for a cancelled one; clients take a failed one for an error.
        kind = "incomplete" if self.status == "cancelled" else "failed"
        return b"".join(map(self._frame, [*closing, self._lifecycle(kind)]))

    def _events(self, batch: Iterable[Rendered]) -> Iterator[Event]:
        for piece in _joined(batch):
            self.gathered.feed(piece)
            yield from self._items.feed(piece)

    def _lifecycle(self, kind: str, usage: dict[str, Any] | None = None) -> Event:
        return {"type": f"response.{kind}", "response": self._object(self._line_echo, usage)}

    def _object(self, echo: dict[str, Any], usage: dict[str, Any] | None) -> dict[str, Any]:
        ended, failure = self.gathered.ended, self._failure
        reason = _INCOMPLETE_REASONS.get((ended.finish_reason if ended else None) or "")
        error = {"code": failure.code, "message": failure.message} if failure else None
        return {
            "id": self._meta.id,
            "object": "response",
            "created_at": self._meta.created,
            "status": self.status,
            "error": error if self.status == "failed" else None,
            "incomplete_details": {"reason": reason} if reason else None,
            "model": self._meta.model,
            "output": self._items.output,
            "usage": usage,
            **echo,
            **self.gathered.extras(self._meta),
        }

    def _frame(self, event: Event) -> bytes:
        numbered = {**event, "sequence_number": self._sequence_number}
        self._sequence_number += 1
        return b"event: %b\ndata: %b\n\n" % (event["type"].encode(), to_json(numbered))


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
