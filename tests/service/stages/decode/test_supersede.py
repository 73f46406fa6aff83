import json

from service.stages.decode.supersede import SkipSuperseded
from service.vocabulary.events import Frame


def event(message_id: str, text: str, name: str = "") -> Frame:
    message = {"id": message_id, "content": {"parts": [text]}}
    return Frame(name, json.dumps({"message": message}, ensure_ascii=False).encode())


def test_of_a_run_only_the_first_and_the_last_event_are_kept() -> None:
    run = [event("a", "x" * n) for n in range(6)]
    assert SkipSuperseded().feed_batch(run) == [run[0], run[5]]


def test_in_later_reads_only_the_last_one_is_kept() -> None:
    skip = SkipSuperseded()
    skip.feed_batch([event("a", "1"), event("a", "2")])
    later = [event("a", "3"), event("a", "4"), event("a", "5")]
    assert skip.feed_batch(later) == [later[2]]


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
