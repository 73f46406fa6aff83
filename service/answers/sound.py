"""Transcriptions as they are answered, whole and streamed (openai-wire 9)."""

from msgspec import Struct


class Transcription(Struct, frozen=True):
    """What is said in a recording."""

    text: str


class TranscriptDelta(Struct, frozen=True, tag_field="type", tag="transcript.text.delta"):
    """A piece of what is said."""

    delta: str


class TranscriptDone(Struct, frozen=True, tag_field="type", tag="transcript.text.done"):
    """All that is said."""

    text: str


TranscriptEvent = TranscriptDelta | TranscriptDone
