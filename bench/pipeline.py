"""One answer through the pure pipeline, repeated: microseconds per token, by stage.

    python -m bench.pipeline [--tokens 200] [--seconds 1]

This does not measure the service, whose sockets cost more than all stages together. It shows which
stage a change has made slower.
"""

import argparse
import time
from collections.abc import Callable

import orjson

from service.pipeline.joined import make_answer, make_reader, make_renderer
from service.stages.encode.chat import ChatChunks
from service.stages.render.bot_format import WEB
from service.vocabulary.events import BodyEnd, BodyEnded, SentHistory
from service.vocabulary.rendered import ReplyMeta

READ_EVENTS = 8  # events that a busy upstream puts into one read


def _event(value: object, name: str = "") -> bytes:
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + orjson.dumps(value) + b"\n\n"


def _message(text: str, *, is_last: bool = False) -> dict[str, object]:
    return {
        "message": {
            "id": "5b0c7c1e-0000-4000-8000-000000000001",
            "author": {"role": "assistant", "name": None, "metadata": {}},
            "content": {"content_type": "text", "parts": [text]},
            "status": "finished_successfully" if is_last else "in_progress",
            "end_turn": is_last,
            "weight": 1.0,
            "metadata": {"message_type": "next", "model_slug": "gpt-4o"},
            "recipient": "all",
        },
        "conversation_id": "c1",
        "error": None,
    }


def v0(tokens: int) -> list[bytes]:
    """Return the events of a v0 answer."""
    texts = ["word " * count for count in range(tokens + 1)]
    return [_event(_message(text, is_last=text is texts[-1])) for text in texts]


def v1(tokens: int) -> list[bytes]:
    """Return the events of a v1 answer."""
    first = {"p": "", "o": "add", "v": _message(""), "c": 0}
    path = "/message/content/parts/0"
    patch = [
        {"p": "/message/status", "o": "replace", "v": "finished_successfully"},
        {"p": "/message/end_turn", "o": "replace", "v": True},
    ]
    return [
        _event("v1", "delta_encoding"),
        _event(first, "delta"),
        _event({"p": path, "o": "append", "v": "word "}, "delta"),
        *[_event({"v": "word "}, "delta")] * (tokens - 1),
        _event({"p": "", "o": "patch", "v": patch}, "delta"),
    ]


def reads(events: list[bytes], size: int) -> list[bytes]:
    """Return the chunks in which the events arrive, `size` events in each."""
    return [b"".join(events[at : at + size]) for at in range(0, len(events), size)]


def answer(chunks: list[bytes]) -> tuple[int, dict[str, float]]:
    """Run one answer; return its number of characters and the seconds of each step."""
    reader, stage, render = make_reader(), make_answer(SentHistory()), make_renderer(WEB)
    encode = ChatChunks(ReplyMeta(id="chatcmpl-x", created=1, model="gpt-4o", fingerprint="fp_x"))
    spent = {"read": 0.0, "answer": 0.0, "render": 0.0, "encode": 0.0}
    for chunk in [*chunks, None]:
        marks = [time.process_time()]
        events = reader.end(BodyEnded(BodyEnd.CLEAN)) if chunk is None else reader.feed(chunk)
        marks.append(time.process_time())
        deltas = [delta for event in events for delta in stage.feed(event)]
        marks.append(time.process_time())
        pieces = [piece for delta in deltas for piece in render.feed(delta)]
        marks.append(time.process_time())
        encode.feed_batch(pieces)
        marks.append(time.process_time())
        for step, start, end in zip(spent, marks, marks[1:], strict=False):
            spent[step] += end - start
    return len(encode.gathered.content), spent


def measure(name: str, make: Callable[[int], list[bytes]], options: argparse.Namespace) -> None:
    """Print one line for each way in which a generation's events arrive."""
    for label, size in (("paced", 1), ("burst", READ_EVENTS)):
        chunks = reads(make(options.tokens), size)
        total: dict[str, float] = {}
        runs, until = 0, time.process_time() + options.seconds
        while time.process_time() < until:
            characters, spent = answer(chunks)
            if characters != options.tokens * 5:
                raise SystemExit(f"{name} {label}: lost text")
            total = {step: total.get(step, 0.0) + seconds for step, seconds in spent.items()}
            runs += 1
        tokens = runs * options.tokens
        steps = "  ".join(f"{step} {s / tokens * 1e6:5.2f}" for step, s in total.items())
        print(f"{name} {label:6} {sum(total.values()) / tokens * 1e6:6.2f} us/token:  {steps}")


def main() -> None:
    """Measure both generations, with one event per read and with many."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each line")
    options = parser.parse_args()
    for name, make in (("v0", v0), ("v1", v1)):
        measure(name, make, options)


if __name__ == "__main__":
    main()
