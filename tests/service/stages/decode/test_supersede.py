import json

from service.stages.decode.supersede import SkipSuperseded
from service.vocabulary.events import Frame
from tests.rows import each_row


def event(message_id: str, text: str, name: str = "") -> Frame:
    message = {"id": message_id, "content": {"parts": [text]}}
    return Frame(name, json.dumps({"message": message}, ensure_ascii=False).encode())


def test_of_a_run_only_the_first_and_the_last_event_are_kept() -> None:
    run = [event("a", "x" * n) for n in range(6)]
    assert SkipSuperseded().feed_batch(run) == [run[0], run[5]]


def test_in_later_reads_only_the_last_one_is_kept() -> None:
    skip = SkipSuperseded()
    skip.feed_batch([event("a", "1"), event("a", "12")])
    later = [event("a", text) for text in ("123", '123"]4', '123"]4', '123"]4\\n"]5')]
    assert skip.feed_batch(later) == [later[3]]


def test_anything_in_between_ends_the_run() -> None:
    skip = SkipSuperseded()
    frames = [event("a", "1"), event("a", "2"), event("b", "1"), event("a", "3")]
    assert skip.feed_batch(frames) == frames
    frames = [event("a", "4"), Frame("", b'{"type":"x"}'), event("a", "5"), Frame("ping", b"1")]
    assert skip.feed_batch(frames) == frames


def test_deltas_are_never_left_out() -> None:
    frames = [event("a", str(n), name="delta") for n in range(4)]
    assert SkipSuperseded().feed_batch(frames) == frames


def test_events_with_markers_keep_their_steps() -> None:
    frames = [event("a", "1"), event("a", "1【"), event("a", "1【2"), event("a", "1【2†s】")]
    assert SkipSuperseded().feed_batch(frames) == frames


@each_row(
    ("old", "new"),
    [
        (b'"assistant"', b'"assistants"'),  # it is no answer any more
        (b'"all"', b'"python"'),  # likewise
        (b"Once", b"Twice"),
        (b"Once u", b"U"),
        (b"upon", b"upon\\u12"),  # no JSON
        (b"upon", b'upon", "'),  # another part
    ],
)
def test_an_event_stays_if_the_next_one_does_more_than_lengthen_it(old: bytes, new: bytes) -> None:
    run = [whole(text) for text in (b"", b"Once", b"Once u", b"Once upon", b"Once upon a time")]
    run[3] = run[3].replace(old, new)
    frames = [Frame("", data) for data in run]
    assert SkipSuperseded().feed_batch(frames) == [frames[0], *frames[2:]]


def whole(text: bytes) -> bytes:
    author = b'{"message": {"id": "a", "author": {"role": "assistant"}, "content": {"parts": ["'
    return author + text + b'"]}, "recipient": "all"}}'
