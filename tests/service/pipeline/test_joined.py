from collections.abc import Iterable

from service.pipeline.joined import SLICE_CHARS, make_answer, make_reader, merged
from service.stages.decode.sse import MAX_EVENT_BYTES
from service.vocabulary.events import (
    AnswerText,
    BodyEnd,
    BodyEnded,
    Delta,
    DoneReceived,
    MessageSnapshot,
    SentHistory,
    StreamCompleted,
    TextAppended,
)
from tests.rows import each_row
from tests.scripted_upstream import DONE, answer, event, final


def test_consumed_counts_as_the_offset_of_a_resume_does() -> None:
    reader = make_reader()
    reader.feed(event(b'"v1"', "delta_encoding") + event({"type": "toast"}) + event(b"2024-05-01"))
    reader.feed(event(b"1", "ping") + event(b"") + b"stray\n" + answer("a") + DONE)
    assert reader.consumed == 3


def test_superseded_events_of_one_read_count_as_consumed() -> None:
    reader = make_reader()
    events = reader.feed(b"".join(answer("x" * n) for n in range(5)))
    assert reader.consumed == 5
    assert sum(isinstance(each, MessageSnapshot) for each in events) == 2


def test_only_an_event_of_v0_repeats_its_message() -> None:
    reader = make_reader()
    assert not reader.repeats
    reader.feed(answer("a"))
    assert reader.repeats
    reader.feed(event({"v": {"message": {"id": "m"}}}, "delta"))
    assert not reader.repeats


def test_a_paced_reader_keeps_the_pieces_of_one_read() -> None:
    reader = make_reader(is_paced=True)
    events = reader.feed(b"".join(answer("x" * n) for n in range(5)))
    assert [each.message.text for each in events if isinstance(each, MessageSnapshot)] == [
        "x" * n for n in range(5)
    ]
    message = {"id": "m", "author": {"role": "assistant"}, "content": {"parts": ["a"]}}
    grow = {"p": "/message/content/parts/0", "o": "append", "v": "bc"}
    more = [event({"v": {"message": message}}, "delta"), event(grow, "delta")]
    more += [event({"v": f"piece {n} "}, "delta") for n in range(20)]
    events = reader.feed(b"".join(more))
    assert sum(isinstance(each, TextAppended) for each in events) == 21
    assert reader.consumed == 5 + 22


def test_a_followed_body_goes_on_with_the_same_deltas() -> None:
    message = {"id": "m", "author": {"role": "assistant"}, "content": {"parts": ["a"]}}
    reader = make_reader()
    reader.feed(event({"v": {"message": message}}, "delta") + b"data: {broken off")
    reader.follow()
    grow = {"p": "/message/content/parts/0", "o": "append", "v": "b"}
    assert reader.feed(event(grow, "delta")) == [TextAppended("m", "b")]


def test_the_end_completes_what_was_left_open_and_comes_last() -> None:
    reader = make_reader()
    reader.feed(b'data: {"type":"message_stream_complete"}')
    end = BodyEnded(BodyEnd.CUT)
    assert reader.end(end) == [StreamCompleted(), end]


@each_row("end", [b"", b"\n"])
def test_a_done_whose_line_is_not_closed_is_the_end_and_no_second_one_follows(end: bytes) -> None:
    reader = make_reader()
    assert reader.feed(DONE.rstrip(b"\n") + end) == []
    assert reader.end(BodyEnded(BodyEnd.CLEAN)) == [DoneReceived()]


def test_an_event_over_the_limit_breaks_the_body_after_what_came_before() -> None:
    events = make_reader().feed(DONE + b"data: " + b"x" * (MAX_EVENT_BYTES + 1))
    assert events[0] == DoneReceived()
    assert isinstance(events[1], BodyEnded)
    assert events[1].how is BodyEnd.BROKEN


def test_an_answer_tells_how_long_silence_may_last() -> None:
    stage = make_answer(SentHistory())
    assert stage.patience_seconds is None
    assert list(stage.feed(StreamCompleted())) == []
    assert stage.patience_seconds is not None


def test_neighbouring_increments_of_one_read_become_one() -> None:
    grown = [TextAppended("a", text) for text in ("x", "y", "\ud83d", "\ude00")]
    other = TextAppended("b", "z")
    end = StreamCompleted()
    assert merged([*grown, other, end, *grown[:1], end]) == [
        TextAppended("a", "xy😀"),
        other,
        end,
        grown[0],
        end,
    ]


MARKED = "a \ue200cite\ue202x\ue201 [b](sandbox:/c) "


@each_row(
    ("text", "least"),
    [("plain " * SLICE_CHARS, 1), (MARKED, 1), (MARKED * SLICE_CHARS, len(MARKED))],
)
def test_a_long_text_full_of_markers_comes_in_parts_that_say_the_same(
    text: str, least: int
) -> None:
    events = [
        each for chunk in (answer(""), final(text), DONE) for each in make_reader().feed(chunk)
    ]
    whole, parted = make_answer(SentHistory()), make_answer(SentHistory())
    told = [delta for each in events for delta in whole.feed(each)]
    parts = [part for each in events for part in parted.parts(each)]
    assert said(d for part in parts for d in part) == said(told)
    assert max(len(list(make_answer(SentHistory()).parts(each))) for each in events[:1]) == 1
    assert len(parts) - len(events) >= least - 1
    assert max(len(part) for part in parts) <= SLICE_CHARS + 10


def said(deltas: Iterable[Delta]) -> list[Delta]:
    """Return deltas, neighbouring texts as one."""
    kept: list[Delta] = []
    for delta in deltas:
        last = kept[-1] if kept else None
        if isinstance(delta, AnswerText) and isinstance(last, AnswerText):
            kept[-1] = AnswerText(last.text + delta.text)
        else:
            kept.append(delta)
    return kept
