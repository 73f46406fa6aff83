"""The support list of speech and transcriptions."""

import io
import wave
from typing import Any

from tests.compatibility.case import Case, File, Seen, Verdict, honoured, ignored, refused
from upstream.demo.website.sounds import lyrics_of, speak

SPEECH: dict[str, Any] = {"model": "gpt-4o-mini-tts", "voice": "alloy", "input": "Boats float."}


def _spoken(text: str) -> bytes:
    sound = speak(text, "mp3")
    assert sound is not None
    return b"".join(sound.pieces)


def _silence() -> bytes:
    """Return a recording that the demo has not made, of which it tells what came along."""
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(1600))
    return content.getvalue()


async def is_heeded(seen: Seen) -> bool:
    """Whether the voice reached the demo, which knows all but one of those that are sent on."""
    other = await seen.call("POST", "/audio/speech", json={**SPEECH, "voice": "glimmer"})
    return other.status == 400 and "unknown voice" in other.json["error"]["message"]


def kind_of(seen: Seen) -> str:
    return seen.answer.headers["Content-Type"].partition(";")[0]


SPEECH_CASES: list[Case] = [
    honoured("input", "Ahoy there.", lambda seen: lyrics_of(seen.answer.body) == "Ahoy there."),
    refused("input", ""),
    honoured("model", "gpt-4o", lambda seen: seen.turn["model"] == "gpt-4o"),
    honoured("voice", "echo", is_heeded),
    refused("voice", "nobody"),
    honoured("response_format", "aac", lambda seen: kind_of(seen) == "audio/aac"),
    refused("response_format", "midi"),
    honoured("stream_format", "audio", lambda seen: kind_of(seen) == "audio/mpeg"),
    refused("stream_format", "sse"),
    ignored("instructions", "Whisper."),
    ignored("speed", 1.5),
]
RECORDING = File(_spoken("ahoy"), "memo.mp3", "a recording")
TRANSCRIPTION: dict[str, Any] = {"model": "whisper-1", "file": RECORDING}
TRANSCRIPTION_CASES: list[Case] = [
    honoured("file", RECORDING, lambda seen: seen.answer.json == {"text": "ahoy"}),
    refused("file", File(b"", "memo.mp3", "an empty file")),
    ignored("model", "gpt-4o-transcribe", is_silent=True),
    honoured(
        "language",
        "de",
        lambda seen: seen.answer.json["text"].endswith("Language de."),
        file=File(_silence(), "memo.wav"),
    ),
    honoured("response_format", "text", lambda seen: seen.answer.body == b"ahoy\n"),
    honoured("response_format", "verbose_json", lambda seen: "segments" not in seen.answer.json),
    refused("response_format", "srt"),
    honoured("stream", "true", lambda seen: kind_of(seen) == "text/event-stream"),
    # The SDK sends lists as fields whose names end in brackets.
    *(
        Case(name, f'["{value}"]', Verdict.IGNORED, {f"{name}[]": value})
        for name, value in (("include", "logprobs"), ("timestamp_granularities", "word"))
    ),
    *(
        ignored(name, value)
        for name, value in {
            "chunking_strategy": "auto",
            "keywords": "boats",
            "known_speaker_names": "ada",
            "known_speaker_references": "data:audio/wav;base64,",
            "languages": "de",
            "prompt": "boats",
            "temperature": "0.5",
        }.items()
    ),
]
