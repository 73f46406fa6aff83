"""Named cases of the standard and of protocol 4.1; the oracle comparison is in test_properties."""

import pytest

from service.stages.decode.sse import DecodeSse
from service.vocabulary.events import Frame
from tests.rows import each_row

CASES = [
    pytest.param(
        b"data: YHOO\ndata: +2\ndata: 10\n\n", [Frame("", b"YHOO\n+2\n10")], id="whatwg-1"
    ),
    pytest.param(
        b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n",
        [Frame("", b"first event"), Frame("", b"second event"), Frame("", b" third event")],
        id="whatwg-2-with-its-last-event-kept",
    ),
    pytest.param(
        b"data\n\ndata\ndata\n\ndata:",
        [Frame("", b""), Frame("", b"\n"), Frame("", b"")],
        id="whatwg-3",
    ),
    pytest.param(b"data:test\n\ndata: test\n\n", [Frame("", b"test")] * 2, id="whatwg-4"),
    pytest.param(b"\xef\xbb\xbfdata: x\n\n", [Frame("", b"x")], id="bom"),
    pytest.param(b"data: x\r\rdata: y\r\r", [Frame("", b"x"), Frame("", b"y")], id="cr"),
    pytest.param(b"data: x\r\n\r\n", [Frame("", b"x")], id="crlf"),
    pytest.param(b"event: delta\ndata: 1\n\ndata: 2\n\n", [Frame("delta", b"1"), Frame("", b"2")]),
    pytest.param(b"event: ping\n\ndata: 2\n\n", [Frame("", b"2")], id="no-data-no-event"),
    pytest.param(b"retry: 1\nid: 7\n\n", [], id="fields-without-data"),
    pytest.param(b'{"detail":"x"}', [Frame("", b'{"detail":"x"}')], id="bare-json"),
    pytest.param(b' \t{"detail":"x"}', [Frame("", b'{"detail":"x"}')], id="bare-json-after-blanks"),
    pytest.param(
        b'{\n  "detail": {\n    "id": 1\n  }\n}\n',
        [Frame("", b'{\n  "detail": {\n    "id": 1\n  }\n}')],
        id="pretty-json",
    ),
    pytest.param(
        b'{"broken\ndata: {"v":1}\n\n', [Frame("", b'{"broken\n{"v":1}')], id="field-ends-open-json"
    ),
    pytest.param(
        b"internal server error\ndata: x\n\n",
        [Frame("", b"internal server error", stray=True), Frame("", b"x")],
        id="stray-line",
    ),
    pytest.param(b"data: \xe4\xb8\xad\n\n", [Frame("", "中".encode())], id="multibyte"),
]


def decoded(chunks: list[bytes], decoder: DecodeSse | None = None) -> list[Frame]:
    decoder = decoder or DecodeSse()
    frames = [frame for chunk in chunks for frame in decoder.feed(chunk)]
    return [*frames, *decoder.finish()]


@each_row(("body", "frames"), CASES)
def test_a_body_becomes_frames_however_it_is_cut(body: bytes, frames: list[Frame]) -> None:
    assert decoded([body]) == frames
    assert decoded([body[i : i + 1] for i in range(len(body))]) == frames
    for cut in range(len(body)):
        assert decoded([body[:cut], b"", body[cut:]]) == frames


def test_an_event_over_the_limit_stops_the_decoder_and_keeps_what_came_before() -> None:
    decoder = DecodeSse(max_event_bytes=20)
    assert decoder.feed(b"data: ok\n\ndata: " + b"x" * 30) == [Frame("", b"ok")]
    assert decoder.is_overflowing
    assert decoder.feed(b"\n\ndata: more\n\ndata: mo") == []
    assert decoder.finish() == []


def test_the_limit_holds_for_many_short_lines_of_one_event() -> None:
    decoder = DecodeSse(max_event_bytes=20)
    assert decoder.feed(b"data: 12345\n" * 3) == []
    assert not decoder.is_overflowing
    decoder.feed(b"data: 123456\n")
    assert decoder.is_overflowing


def test_the_limit_holds_for_lines_with_nothing_in_them() -> None:
    decoder = DecodeSse(max_event_bytes=20)
    decoder.feed(b"data\ndata:\n" * 10)
    assert not decoder.is_overflowing
    decoder.feed(b"data\ndata\n")
    assert decoder.is_overflowing


def test_events_up_to_the_limit_do_not_add_up() -> None:
    decoder = DecodeSse(max_event_bytes=20)
    assert len(decoder.feed(b"data: 0123456789\n\n" * 50)) == 50
    assert not decoder.is_overflowing


def test_an_event_of_sixteen_mebibytes_in_small_chunks_is_accepted() -> None:
    decoder = DecodeSse()
    size = 16 * 1024 * 1024
    frames = decoded([b"data: ", *[b"x" * 65536] * (size // 65536)], decoder)
    assert len(frames[0].data) == size
    decoder = DecodeSse()
    decoder.feed(b"data: " + b"x" * (size + 1))
    assert decoder.is_overflowing
