import json

from service.events import Frame
from service.stages.supersede import SkipSuperseded, without_superseded


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


def chunk(*frames: Frame) -> bytes:
    return b"".join(b"data: " + frame.data + b"\n\n" for frame in frames)


def test_a_chunk_keeps_the_first_and_the_last_whole_event_of_its_run() -> None:
    run = [event("a", "x" * n) for n in range(6)]
    assert without_superseded(chunk(*run)) == (chunk(run[0], run[5]), 4)
    cut = chunk(*run)[:-1]
    assert without_superseded(cut) == (chunk(run[0]) + cut[len(chunk(*run[:4])) :], 3)


def test_a_chunk_keeps_what_follows_its_run() -> None:
    frames = [event("a", "1"), event("a", "2"), event("a", "3"), event("b", "1"), event("a", "4")]
    kept = [frames[0], frames[2], frames[3], frames[4]]
    assert without_superseded(chunk(*frames)) == (chunk(*kept), 1)


def test_a_chunk_is_left_as_it_is_where_more_is_to_be_known() -> None:
    for frames in (
        [event("a", "1")],
        [event("a", "1"), event("a", "1")],
        [event("a", "1"), event("b", "2"), event("a", "3")],
        [event("a", "1"), event("a", "1【"), event("a", "1【2"), event("a", "1【2†s】")],
        [event("a", "1"), event("a", "\ue200"), event("a", "\ue2002"), event("a", "3")],
    ):
        assert without_superseded(chunk(*frames)) == (chunk(*frames), 0)
    lines = chunk(*[event("a", "1")] * 4).replace(b"\n\n", b"\nid: 1\n\n")
    assert without_superseded(lines) == (lines, 0)
    escaped = chunk(*[Frame("", json.dumps({"message": {"id": "a", "x": "\ue200"}}).encode())] * 4)
    assert without_superseded(escaped) == (escaped, 0)
