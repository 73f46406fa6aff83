"""Good turns, frame by frame, and what of each answer there is after each frame (protocol 2, 3)."""

from dataclasses import dataclass
from typing import Any

from tests.scripted_upstream import DONE, answer, event, final

TRIES = 2
"""Of a turn that may be sent again: the gateways here have `upstream.retries: 1`."""
WORDS = ("Hel", "Hello, wor", "Hello, world: 你好", "Hello, world: 你好 🚢 and the end.")
DRAWING = "I am drawing it now."
DRAWN = "There it is."


@dataclass(frozen=True)
class Frame:
    """One event, and what there is after it; `is_end` says that a cut from here on is none.

    `is_unseen`: no answer has begun upstream, so that the turn may be sent again; `begun`: dialects
    in which one has begun for the caller, though without any text.
    """

    data: bytes
    text: str
    has_picture: bool = False
    is_end: bool = False
    is_unseen: bool = False
    begun: frozenset[str] = frozenset()


@dataclass(frozen=True)
class GoodTurn:
    """A turn that ends well, by `finish`; `place` is that of the upstream where it is asked for.

    `again` is an event that may come any number of times in the midst of it.
    """

    name: str
    frames: tuple[Frame, ...]
    place: str = "turn"
    finish: str = "stop"
    again: bytes = b""

    @property
    def text(self) -> str:
        """The whole answer."""
        return self.frames[-1].text

    @property
    def data(self) -> tuple[bytes, ...]:
        """The events."""
        return tuple(frame.data for frame in self.frames)

    @property
    def draws(self) -> bool:
        """Whether a picture is in it."""
        return self.frames[-1].has_picture

    @property
    def calls(self) -> bool:
        """Whether it is a call, and its texts are the arguments."""
        return self.finish == "tool_calls"

    @property
    def tries_unread(self) -> int:
        """How often it is sent when of its answer nothing could be read."""
        return TRIES if self.place == "codex" else 1

    def until(self, text: str) -> tuple[bytes, ...]:
        """Return the events up to the first one after which there is this text."""
        index = next(i for i, frame in enumerate(self.frames) if frame.text == text)
        return self.data[: index + 1]

    @property
    def some(self) -> str:
        """A text that there is in the middle of it."""
        texts = list(dict.fromkeys(frame.text for frame in self.frames if frame.text))
        return texts[0]


PING = event(b"2024-05-01 12:34:56.789012", name="ping")
TITLE = event({"type": "title_generation", "title": "A title", "conversation_id": "c1"})
COMPLETED = event({"type": "message_stream_complete", "conversation_id": "c1"})


def _whole() -> GoodTurn:
    grown = [Frame(answer(text), text) for text in WORDS[:-1]]
    last = WORDS[-1]
    return GoodTurn(
        "v0",
        (
            Frame(PING, ""),
            Frame(answer(""), ""),
            *grown,
            Frame(PING, WORDS[-2]),
            Frame(final(last), last, is_end=True),
            Frame(TITLE, last, is_end=True),
            Frame(COMPLETED, last, is_end=True),
            Frame(DONE, last, is_end=True),
        ),
        again=answer(WORDS[0]),
    )


def _increments() -> GoodTurn:
    message: dict[str, Any] = {
        "id": "a1",
        "author": {"role": "assistant"},
        "content": {"content_type": "text", "parts": [""]},
        "status": "in_progress",
        "recipient": "all",
        "metadata": {"message_type": "next", "model_slug": "gpt-4o"},
    }
    root = {"message": message, "conversation_id": "c1", "error": None}
    path = "/message/content/parts/0"
    first, second, third, last = WORDS
    ending = [
        {"p": path, "o": "append", "v": last[len(third) :]},
        {"p": "/message/status", "o": "replace", "v": "finished_successfully"},
        {"p": "/message/end_turn", "o": "replace", "v": True},
    ]
    return GoodTurn(
        "v1",
        (
            Frame(event(b'"v1"', name="delta_encoding"), ""),
            Frame(event({"p": "", "o": "add", "v": root, "c": 0}, name="delta"), ""),
            Frame(event({"p": path, "o": "append", "v": first}, name="delta"), first),
            Frame(event({"v": second[len(first) :]}, name="delta"), second),
            Frame(PING, second),
            Frame(event({"v": third[len(second) :]}, name="delta"), third),
            Frame(event({"p": "", "o": "patch", "v": ending}, name="delta"), last, is_end=True),
            Frame(COMPLETED, last, is_end=True),
            Frame(DONE, last, is_end=True),
        ),
    )


def _picture() -> GoodTurn:
    picture = {
        "content_type": "image_asset_pointer",
        "asset_pointer": "file-service://file-drawn",
        "size_bytes": 100,
        "width": 3,
        "height": 2,
        "metadata": {"dalle": {"prompt": "two boats", "gen_id": "g", "seed": 1}},
    }
    drawn = answer(
        "",
        "t1",
        author={"role": "tool", "name": "dalle.text2im"},
        content={"content_type": "multimodal_text", "parts": [picture]},
        status="finished_successfully",
    )
    both = f"{DRAWING}\n\n{DRAWN}"
    said = {"status": "finished_successfully", "end_turn": False}
    return GoodTurn(
        "picture",
        (
            Frame(TITLE, ""),
            Frame(answer(DRAWING[:8]), DRAWING[:8]),
            Frame(answer(DRAWING, **said), DRAWING),
            Frame(drawn, DRAWING, has_picture=True),
            Frame(answer(DRAWN[:5], "a2"), f"{DRAWING}\n\n{DRAWN[:5]}", has_picture=True),
            Frame(final(DRAWN, "a2"), both, has_picture=True, is_end=True),
            Frame(DONE, both, has_picture=True, is_end=True),
        ),
    )


WHOLE, INCREMENTS, PICTURE = _whole(), _increments(), _picture()
