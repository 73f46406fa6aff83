"""With the fast lane a caller gets the same as from the stages alone, only sooner."""

import json
from typing import Any

import pytest
from hypothesis import given

from service.pipeline.fast_lane import DIFFERENCE, MAX_TAIL_BYTES, SETTLE_PIECES
from service.vocabulary.events import (
    AnswerText,
    BodyEnd,
    Cited,
    Delta,
    SentHistory,
    TurnEnded,
    UpstreamEvent,
)
from tests.chance import SIZES, chopped, examples
from tests.feeding import deltas, read, sent_history
from tests.lane import Drive, driven
from tests.oracle import render
from tests.rows import each_row
from tests.service.stages.test_properties import crowd, turn

PATH = "/message/content/parts/0"


# --- the same as without it -------------------------------------------------------------


@each_row("name", render.names())
def test_every_transcript_reads_the_same_with_it(name: str) -> None:
    transcript = render.load(name)
    sent, problems = sent_history(transcript), transcript.get("problems")
    end = BodyEnd(transcript.get("end", "clean"))
    for generation in render.generations(transcript):
        pieces = render.rendered(name, generation)
        body = b"".join(pieces)
        feedings = [pieces, [body], chopped(body, [100]), chopped(body, [1_000, 7, 333])]
        expected = read(deltas(pieces, sent, end), problems=problems)
        for chunks in feedings:
            assert driven(chunks, end, sent=sent, problems=problems) == expected


@pytest.mark.whole
@examples(60)
@given(turn() | crowd(), SIZES)
def test_any_turn_reads_the_same_with_it(steps: list[dict[str, Any]], sizes: list[int]) -> None:
    sent = SentHistory(frozenset({"u10", "h21"}), frozenset({"Tea ", "is"}))
    for generation in ("v0", "v1"):
        pieces = render.render({"steps": steps}, generation, 1)
        body = b"".join(pieces)
        expected = read(deltas([body], sent))
        for chunks in (pieces, [body], chopped(body, sizes), chopped(body, [200])):
            assert driven(chunks, sent=sent) == expected


# --- what takes it ----------------------------------------------------------------------


def message(text: str, **changes: Any) -> dict[str, Any]:
    return {
        "message": {
            "id": "a1",
            "author": {"role": "assistant", "name": None, "metadata": {}},
            "content": {"content_type": "text", "parts": [text]},
            "status": "in_progress",
            "metadata": {"message_type": "next", "model_slug": "gpt-4o"},
            "recipient": "all",
            **changes,
        },
        "conversation_id": "c1",
        "error": None,
    }


def event(value: object, name: str = "") -> bytes:
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(value)}\n\n".encode()


def delta(text: str) -> bytes:
    return event({"v": text}, "delta")


V1_START = (
    event("v1", "delta_encoding")
    + event({"p": "", "o": "add", "v": message(""), "c": 0}, "delta")
    + event({"p": PATH, "o": "append", "v": "It "}, "delta")
)


def begun(generation: str) -> tuple[Drive, Any]:
    """Return a turn of which a word was sent, and a function that makes an event with more text."""
    drive, said = Drive(), ["It "]
    if generation == "v1":
        drive.feed(V1_START)
        return drive, delta
    drive.feed(event(message("It ")))

    def grown(text: str) -> bytes:
        said.append(text)
        return event(message("".join(said)))

    return drive, grown


@pytest.fixture(params=["v0", "v1"])
def on_the_way(request: pytest.FixtureRequest) -> tuple[Drive, Any]:
    return begun(request.param)


def test_plain_text_takes_it_event_by_event(on_the_way: tuple[Drive, Any]) -> None:
    drive, more = on_the_way
    words = ["is ", "tea\n", "“茶” 😀 ", 'a "quote" ', "]", "(x)", "s", "and ", "cups", "."]
    for word in words:
        assert drive.feed(more(word)), word
    assert "".join(drive.put_texts) == "".join(words)
    assert drive.end().content == "It " + "".join(words)


def test_many_events_of_one_read_are_one_text(on_the_way: tuple[Drive, Any]) -> None:
    drive, more = on_the_way
    assert drive.feed(b"".join([more("one "), more("two "), more("three ")]))
    assert drive.put_texts == ["one two three "]
    assert drive.lane.count == 3


def test_an_event_in_two_reads_takes_it_as_well(on_the_way: tuple[Drive, Any]) -> None:
    drive, more = on_the_way
    first, second = more("one "), more("two ")
    assert drive.feed(first + second[:20])
    assert drive.put_texts == ["one "]
    assert drive.feed(second[20:])
    assert drive.put_texts == ["one ", "two "]


def test_the_stages_learn_what_was_said_after_so_many_pieces(on_the_way: tuple[Drive, Any]) -> None:
    drive, more = on_the_way
    before = drive.reader.consumed
    for _ in range(SETTLE_PIECES):
        assert drive.feed(more("x "))
    assert drive.lane.count == 0
    assert drive.reader.consumed == before + SETTLE_PIECES
    assert drive.gathered.content == "It " + "x " * SETTLE_PIECES


def test_markers_and_all_that_follows_an_open_one_take_the_usual_way(
    on_the_way: tuple[Drive, Any],
) -> None:
    drive, more = on_the_way
    assert not drive.feed(more("so \ue200cite"))
    assert not drive.feed(more("\ue202turn0\ue201 it "))
    assert drive.put_texts == []


def test_an_outlet_that_is_not_open_closes_it(on_the_way: tuple[Drive, Any]) -> None:
    drive, more = on_the_way
    drive.is_open = False
    assert not drive.feed(more("is "))
    drive.is_open = True
    assert drive.feed(more("tea"))
    assert drive.put_texts == ["tea"]
    assert drive.end().content == "It is tea"


def test_half_a_character_takes_the_usual_way() -> None:
    drive, _ = begun("v1")
    assert not drive.feed(b'event: delta\ndata: {"v": "\\ud83d"}\n\n')
    assert not drive.feed(b'event: delta\ndata: {"v": "\\ude00"}\n\n')
    assert drive.end(BodyEnd.CUT).content == "It 😀"


@each_row("generation", ["v0", "v1"])
def test_an_id_that_is_half_a_character_is_an_id_like_any_other(generation: str) -> None:
    drive = Drive()
    first, second = message("It ", id="\ud800"), message("It is", id="\ud800")
    if generation == "v1":
        drive.feed(event("v1", "delta_encoding"))
        first, second = ({"p": "", "o": "add", "v": whole} for whole in (first, second))
    drive.feed(event(first))
    assert not drive.feed(event(second))
    assert drive.end(BodyEnd.CUT).content == "It is"


def test_text_before_something_else_in_one_read_goes_first() -> None:
    drive, more = begun("v1")
    done = event({"p": "/message/status", "o": "replace", "v": "finished_successfully"}, "delta")
    assert not drive.feed(more("is ") + done)
    assert drive.put_texts == ["is "]


@each_row(
    "changes",
    [
        {"status": "finished_successfully"},
        {"id": "a2"},
        {"metadata": {"message_type": "next", "citations": [{}]}},
        {"content": {"content_type": "text", "parts": ["It is", "tea"]}},
        {"content": {"content_type": "text", "parts": ["That is"]}},
    ],
)
def test_a_message_that_changes_otherwise_takes_the_usual_way(changes: dict[str, Any]) -> None:
    drive, more = begun("v0")
    assert drive.feed(more("is"))
    chunk = event(message("It is", **changes))
    assert not drive.feed(chunk)
    bodies = [event(message("It ")), event(message("It is")), chunk]
    assert drive.end(BodyEnd.CUT) == read(deltas(bodies, end=BodyEnd.CUT))


def test_a_long_text_that_has_a_bracket_and_a_quote_is_found_in_its_event() -> None:
    drive = Drive()
    drive.feed(event(message('a "list"] of ["them"] ')))
    assert drive.feed(event(message('a "list"] of ["them"] all')))
    assert drive.put_texts == ["all"]


def test_an_event_without_end_is_for_the_stages_that_limit_it() -> None:
    drive, _ = begun("v1")
    assert drive.feed(b'event: delta\ndata: {"v": "')
    assert not drive.feed(b"x" * MAX_TAIL_BYTES)
    assert drive.end(BodyEnd.CUT).content == "It "


def test_nothing_takes_it_before_there_is_an_answer() -> None:
    drive = Drive()
    assert not drive.feed(event({"v": "x"}, "delta"))
    assert not drive.feed(event({"type": "message_marker"}))


@each_row(
    ("told", "heard"),
    [
        ([AnswerText("is green")], "It is teagreen"),
        ([AnswerText("is "), Cited(1, "[E](u)", ()), AnswerText("so")], "It is tea[E](u)so"),
        ([AnswerText("is t"), AnswerText("ea now")], "It is tea now"),
        ([], "It is tea"),
    ],
)
def test_where_the_stages_differ_it_is_counted_and_their_text_goes_on(
    told: list[Delta], heard: str
) -> None:
    """Sent text cannot be withdrawn, so the stages' unsent text follows it."""
    drive, more = begun("v1")
    assert drive.feed(more("is "))
    assert drive.feed(more("tea"))

    def tell(_event: UpstreamEvent) -> list[Delta]:
        drive.answer.tell = None
        return list(told)

    drive.answer.tell = tell
    assert not drive.feed(event({"type": "message_marker"}))
    assert not drive.feed(more("."))
    assert drive.put_texts == ["is ", "tea"]
    reading = drive.end(BodyEnd.CUT)
    assert reading.content == heard + "." == drive.gathered.content
    (ended,) = (piece for piece in drive.heard if isinstance(piece, TurnEnded))
    assert ended.counts == {DIFFERENCE: 1}


def test_a_lane_that_was_wrong_once_is_closed_for_the_turn() -> None:
    drive, more = begun("v1")
    assert drive.feed(more("is "))
    drive.answer.tell = lambda _event: [AnswerText("was ")]
    for _ in range(SETTLE_PIECES):
        drive.feed(more("x "))
    drive.answer.tell = None
    assert not drive.feed(more("tea"))
    assert drive.end(BodyEnd.CUT).content.endswith("tea")
