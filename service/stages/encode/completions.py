"""Rendered -> bytes for the caller: the legacy `text_completion` object, streamed or whole.

The framing is that of `chat.py`. Reasoning has no field in this form and is left out.
"""

from collections.abc import Iterable
from typing import Any

from msgspec import structs

from service.answers.chats import Completion, CompletionChunk, TextChoice
from service.stages.encode.chat import (
    DONE,
    chat_usage,
    event_of,
    finish_reason_of,
    fitting_links,
    split_at_text,
    text_parts,
)
from service.stages.encode.gathered import Gathered
from service.vocabulary.events import Failure
from service.vocabulary.rendered import ContentCited, ContentText, Rendered, ReplyMeta, TokenCounts
from service.vocabulary.wire import error_frame, to_json


def completion(
    gathered: Gathered, meta: ReplyMeta, counts: TokenCounts, echo: str = ""
) -> Completion:
    """Return the whole reply; `echo` is put before the text."""
    text = echo + gathered.content
    extras: dict[str, Any] = {
        **gathered.names(is_temporary=meta.is_temporary),
        **gathered.links(),
    }
    return Completion(
        id=meta.id,
        model=meta.model,
        created=meta.created,
        choices=[TextChoice(text=text, finish_reason=finish_reason_of(gathered))],
        usage=chat_usage(counts),
        system_fingerprint=meta.fingerprint,
        **extras,
    )


class CompletionChunks:
    """The events of one streamed completion; it begins with `echo`."""

    def __init__(self, meta: ReplyMeta, echo: str = "") -> None:
        self.gathered = Gathered()
        self._meta = meta
        self._chunk = CompletionChunk(
            id=meta.id, model=meta.model, created=meta.created, choices=[TextChoice(text="")]
        )
        self._keep_alive = event_of(self._chunk)
        self._start, self._end = split_at_text(self._keep_alive)
        self.opening = self.text(echo) or self._keep_alive

    def keep_alive(self) -> bytes:
        """Return an event with an empty text, as a keep-alive."""
        return self._keep_alive

    def text(self, text: str) -> bytes:
        """Return the events of text whose pieces come to `gather` later."""
        return b"".join([self._start + to_json(part) + self._end for part in text_parts(text)])

    def gather(self, pieces: list[Rendered]) -> None:
        """Note pieces whose events have been sent."""
        self.gathered.feed_batch(pieces)

    def feed_batch(self, batch: Iterable[Rendered]) -> bytes:
        """Return the events of a batch; its texts share one event."""
        texts = []
        for piece in batch:
            self.gathered.feed(piece)
            if isinstance(piece, ContentText | ContentCited):
                texts.append(piece.text)
        return self.text("".join(texts))

    def finish(self, counts: TokenCounts | None) -> bytes:
        """Return the end of a complete answer; the usage only if the caller asked for it."""
        links, _ = fitting_links(self.gathered)
        names = self.gathered.names(is_temporary=self._meta.is_temporary)
        extras: dict[str, Any] = {**names, **links}
        choice = TextChoice(text="", finish_reason=finish_reason_of(self.gathered))
        frames = [event_of(structs.replace(self._chunk, choices=[choice], **extras))]
        if counts is not None:
            last = structs.replace(self._chunk, choices=[], usage=chat_usage(counts))
            frames.append(event_of(last))
        return b"".join([*frames, DONE])

    def fail(self, failure: Failure) -> bytes:
        """Return the event that ends the stream in place of a finish."""
        return error_frame(failure)
