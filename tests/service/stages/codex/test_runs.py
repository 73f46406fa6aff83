"""Runs of text deltas mean what their events mean, and nothing else is taken for one."""

import json
from typing import Any

from service.stages.codex.events import ReadCodex
from service.stages.codex.raw_events import Event
from service.stages.codex.runs import MIN_RUN_BYTES, runs_in
from tests.codex_feeding import body
from tests.rows import each_row

TEXT = "response.output_text.delta"


def delta(text: str, item_id: str = "msg_1", **fields: Any) -> dict[str, Any]:
    place = {"output_index": 0, "content_index": 0, "logprobs": [], "obfuscation": "x" * 20}
    return {"type": TEXT, "item_id": item_id, **place, "delta": text, **fields}


WORDS = [delta(word) for word in ("Hel", "lo \u2028", "wörld", '"{}', "\\n")]
STARTED = {"type": "response.created", "response": {}}


def texts(events: list[Any]) -> list[str]:
    return [event.delta for event in events if isinstance(event, Event) and event.type == TEXT]


def test_a_run_is_one_event_of_all_its_texts():
    whole = body(WORDS)
    (run,) = runs_in(whole)
    assert (run.start, run.end, run.count) == (0, len(whole), 5)
    assert (run.item_id, run.output_index, run.content_index) == ("msg_1", 0, 0)
    assert run.delta == "".join(word["delta"] for word in WORDS)


def test_a_reader_joins_what_one_read_brings_and_counts_each():
    reader = ReadCodex()
    events = reader.feed(body([STARTED, *WORDS, STARTED, *WORDS]))
    joined = "".join(word["delta"] for word in WORDS)
    assert texts(events) == [joined, joined]
    assert reader.consumed == 12
    paced = ReadCodex(is_paced=True)
    assert len(texts(paced.feed(body([STARTED, *WORDS])))) == 5


@each_row("size", [1, 3, 50, 200, 301, 1000])
def test_a_run_that_is_cut_is_read_all_the_same(size):
    whole = body([STARTED, *WORDS, STARTED, *WORDS, *WORDS])
    reader = ReadCodex()
    events = [
        event for at in range(0, len(whole), size) for event in reader.feed(whole[at : at + size])
    ]
    assert "".join(texts(events)) == "".join(word["delta"] for word in [*WORDS] * 3)
    assert reader.consumed == 17


@each_row(
    "whole",
    [
        body([*WORDS, delta("x", "msg_2")]),
        body([*WORDS, delta("x", output_index=1)]),
        body([*WORDS, delta("x", content_index=1)]),
        body([*WORDS, {**delta("x"), "delta": 3}]),
        body(WORDS).replace(b'"Hel"', b'"\\ud83d"'),
        body(WORDS).replace(b'"type": "response.output_text.delta"', b'"type": "x"', 1),
        body(WORDS).replace(b"\ndata", b"\r\ndata"),
        body(WORDS).replace(b', "item_id"', b',\r"item_id"', 1),
        body(WORDS).replace(b"\n\n", b"\n: comment\n\n"),
        body(WORDS, is_named=False),
        body(WORDS[:1])[: MIN_RUN_BYTES - 1],
        b"data: " + body(WORDS[:1]).replace(b"\n", b" ") + b"\n\n" + b"x" * MIN_RUN_BYTES,
    ],
)
def test_what_is_not_all_of_one_text_is_no_run(whole):
    assert list(runs_in(whole)) == []


def test_several_objects_in_a_line_are_no_run():
    two = json.dumps(WORDS[0]) + "," + json.dumps(WORDS[1])
    line = f"event: {TEXT}\ndata: {two}\n\n".encode()
    assert list(runs_in(line * 2)) == []


def test_what_is_inside_an_event_is_no_run():
    reader = ReadCodex()
    opened = b"event: response.created\n" + b": comment\n"
    events = reader.feed(opened + body(WORDS))
    assert texts(events) == [word["delta"] for word in WORDS]
