"""Rendered -> bytes for the caller: the legacy `text_completion` object, streamed or whole.

Framing is that of `encode.py`. What was thought has no place in this form and is left out.
"""

from collections.abc import Iterable
from typing import Any

from service.stages.encode.chat import DONE, MAX_EXTRAS_BYTES, Gathered, ReplyMeta, fitting
from service.vocabulary.events import Failure
from service.vocabulary.rendered import ContentCited, ContentText, Rendered
from service.vocabulary.wire import MAX_TEXT_CHARS, error_frame, to_json

_CHUNK_END = b',"logprobs":null,"finish_reason":null}]}\n\n'


def _envelope(meta: ReplyMeta) -> dict[str, Any]:
    return {
        "id": meta.id,
        "object": "text_completion",
        "created": meta.created,
        "model": meta.model,
    }


def _finished(gathered: Gathered, text: str) -> dict[str, Any]:
    reason = gathered.ended.finish_reason if gathered.ended else None
    return {"index": 0, "text": text, "logprobs": None, "finish_reason": reason or "stop"}


def completion(
    gathered: Gathered, meta: ReplyMeta, usage: dict[str, Any], echo: str = ""
) -> dict[str, Any]:
    """Return the whole reply; `echo` is put before the text."""
    return {
        **_envelope(meta),
        "choices": [_finished(gathered, echo + gathered.content)],
        "usage": usage,
        "system_fingerprint": None,
        **gathered.extras(meta),
    }


class CompletionChunks:
    """The events of one streamed completion; `echo` is what it begins with."""

    def __init__(self, meta: ReplyMeta, echo: str = "") -> None:
        self.gathered = Gathered()
        self._meta = meta
        start = b"data: %b" % to_json(_envelope(meta)).removesuffix(b"}")
        self._start = start + b',"choices":[{"index":0,"text":'
        self.opening = self._chunks(echo) or self.keep_alive()

    def keep_alive(self) -> bytes:
        """Return an empty text, for silence."""
        return self._start + b'""' + _CHUNK_END

    def text(self, text: str) -> bytes:
        """Return the events of text whose pieces come to `gather` later."""
        return self._chunks(text)

    def gather(self, pieces: list[Rendered]) -> None:
        """Take pieces whose events are out."""
        self.gathered.feed_batch(pieces)

    def feed_batch(self, batch: Iterable[Rendered]) -> bytes:
        """Return the events of a batch; its texts share one."""
        texts = []
        for piece in batch:
            self.gathered.feed(piece)
            if isinstance(piece, ContentText | ContentCited):
                texts.append(piece.text)
        return self._chunks("".join(texts))

    def finish(self, usage: dict[str, Any] | None) -> bytes:
        """Return all that ends a complete answer; `usage` only if the caller asked for it."""
        envelope, extras = _envelope(self._meta), self.gathered.extras(self._meta)
        room = MAX_EXTRAS_BYTES
        for key in ("x_images", "x_files"):
            if key in extras:
                extras[key], room = fitting(extras[key], room)
        chunks = [{**envelope, "choices": [_finished(self.gathered, "")], **extras}]
        if usage is not None:
            chunks.append({**envelope, "choices": [], "usage": usage})
        return b"".join([b"data: %b\n\n" % to_json(chunk) for chunk in chunks]) + DONE

    def fail(self, failure: Failure) -> bytes:
        """Return the event that ends the stream in place of a finish."""
        return error_frame(failure)

    def _chunks(self, text: str) -> bytes:
        parts = [text[at : at + MAX_TEXT_CHARS] for at in range(0, len(text), MAX_TEXT_CHARS)]
        return b"".join([self._start + to_json(part) + _CHUNK_END for part in parts])
