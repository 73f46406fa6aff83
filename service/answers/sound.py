"""Transcriptions as they are answered, whole and streamed (openai-wire 9)."""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType


class Transcription(Struct, frozen=True):
    """The text of a recording.

    The fields from `task` on belong to the form `verbose_json`: the language is the one that the
    caller named, and there are no segments, since the upstream tells no times.
    """

    text: str
    task: Literal["transcribe"] | UnsetType = UNSET
    language: str | UnsetType | None = UNSET
    duration: float | UnsetType | None = UNSET


class TranscriptDelta(Struct, frozen=True, tag_field="type", tag="transcript.text.delta"):
    """A piece of the transcript."""

    delta: str


class TranscriptDone(Struct, frozen=True, tag_field="type", tag="transcript.text.done"):
    """The whole transcript."""

    text: str


TranscriptEvent = TranscriptDelta | TranscriptDone
