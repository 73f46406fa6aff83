import logging
import time

import pytest

from service.observing.metrics import Metrics
from service.observing.unknown_events import (
    MAX_KINDS,
    MAX_SAMPLE_CHARS,
    OTHER,
    Anomaly,
    UnknownEvents,
    outline,
)
from tests.rows import each_row


@pytest.fixture
def unknown_events() -> UnknownEvents:
    return UnknownEvents(Metrics())


def counted(unknown_events: UnknownEvents, kind: str) -> float:
    return unknown_events._metrics.anomalies.labels(kind)._value.get()


def test_kinds_are_counted_and_each_is_logged_once_with_a_sample_that_tells_nothing(
    unknown_events: UnknownEvents, caplog: pytest.LogCaptureFixture
) -> None:
    samples = {"type new": '{"title": "My will", "user_id": 4711}'}
    unknown_events.note({"type new": 2, "rewrite": 1}, samples)
    unknown_events.note({"type new": 1}, samples)
    assert (counted(unknown_events, "type new"), counted(unknown_events, "rewrite")) == (3, 1)
    assert [record.getMessage() for record in caplog.records] == [
        'the upstream sent something unexpected: type new, such as {"title": "…", "user_id": 0000}',
        "the upstream sent something unexpected: rewrite",
    ]
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


def test_what_was_seen_is_listed_with_when_the_latest_first(unknown_events: UnknownEvents) -> None:
    began = time.time()
    unknown_events.note({"a": 1}, {})
    unknown_events.note({"b": 1}, {})
    unknown_events.note({"a": 4}, {})
    first, second = unknown_events.seen()
    assert (first.kind, first.count, second.kind, second.count) == ("a", 5, "b", 1)
    assert began <= first.first_at <= second.first_at <= first.last_at <= time.time()
    assert unknown_events.since <= began
    assert isinstance(first, Anomaly)


def test_kinds_beyond_a_hundred_are_one(unknown_events: UnknownEvents) -> None:
    unknown_events.note({f"type {number}": 1 for number in range(MAX_KINDS + 20)}, {})
    assert len(unknown_events.seen()) == MAX_KINDS + 1
    assert counted(unknown_events, OTHER) == 20
    unknown_events.note({"type 3": 1, "type 115": 1}, {})
    assert (counted(unknown_events, "type 3"), counted(unknown_events, OTHER)) == (2, 21)


@each_row(
    ("sample", "expected"),
    [
        ("Internal server error 500", "xxxxxxxx xxxxxx xxxxx 000"),
        ("用户说 hi", "xxx xx"),
        ("<html>", "<xxxx>"),
        ('{"a": "b", "c": [1, true, null]}', '{"a": "…", "c": [0, true, null]}'),
        ('{"a": "b\\"c", "d": "', '{"a": "…", "d": "'),
        ('{"a": "cut of', '{"a": "…"'),
        ('{"a": "cut\\', '{"a": "…"'),
        ('{"My last will": 1, "1234567": 2}', '{"My last will": 0, "…": 0}'),
        ('{"me@example.org": {}}', '{"…": {}}'),
        ("[secret]", "[xxxxxx]"),
        ("", ""),
    ],
)
def test_an_outline_has_the_shape_and_no_words(sample: str, expected: str) -> None:
    assert outline(sample) == expected


def test_an_outline_is_short() -> None:
    assert len(outline("a" * 10_000)) == MAX_SAMPLE_CHARS
    assert len(outline('{"a": "' + "b" * 10_000)) < MAX_SAMPLE_CHARS
