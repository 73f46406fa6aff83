"""Frames to events, odd frames among them."""

from service.stages.codex.events import ReadCodex, error_in, unknown_event
from service.stages.codex.raw_events import Event
from service.vocabulary.events import BodyEnd, BodyEnded, Unknown
from tests.rows import each_row


def read(*chunks: bytes):
    reader = ReadCodex(["a-secret-token"])
    events = [event for chunk in chunks for event in reader.feed(chunk)]
    return reader, events + reader.end(BodyEnded(BodyEnd.CLEAN))[:-1]


@each_row(
    "data",
    [
        b'{"type":"x","delta":"Hi"}',
        b'{"type":"x","delta":"Hi","output_index":"first","item":[],"response":3}',
        b'{"type":"x","delta":"Hi","obfuscation":1,"logprobs":[{"a":[]}]}',
        b' {"delta":"Hi","type":"x","sequence_number":9}',
    ],
)
def test_a_field_of_another_type_counts_as_missing(data):
    _, events = read(b"data: " + data + b"\n\n")
    assert events == [Event("x", delta="Hi")]


def test_half_characters_and_broken_utf_8_are_read():
    _, events = read(
        b'data: {"type":"x","delta":"\\ud83d"}\n\n', b'data: {"type":"x","delta":"\xff"}\n\n'
    )
    assert [event.delta for event in events] == ["\ud83d", "\ufffd"]


def test_objects_without_an_empty_line_between_them_are_events_of_their_own():
    _, events = read(b'data: {"type":"a"}\ndata: {"type":"b"}\n\n')
    assert [event.type for event in events] == ["a", "b"]


def test_a_body_that_is_one_object_needs_no_framing():
    _, events = read(b'{"detail": "Instructions are required"}')
    assert [error_in(event) for event in events] == [
        {"detail": "Instructions are required", "type": ""}
    ]
    _, events = read(b'{"object":"response","output":[1]}')
    assert events == [Event("response.completed", response={"object": "response", "output": [1]})]


def test_what_is_no_event_is_counted_without_a_secret():
    _, events = read(b"gateway says a-secret-token\n", b"data: nonsense\n\n", b"data: [1]\n\n")
    assert [event.kind for event in events if isinstance(event, Unknown)] == [
        "stray line",
        "not json",
        "json list",
    ]
    assert "a-secret-token" not in events[0].sample


def test_signs_of_life_are_all_events_but_no_comments():
    reader, _ = read(b': ping\n\ndata: {"type":"keepalive"}\n\ndata: [DONE]\n\n')
    assert reader.consumed == 2


def test_an_event_over_the_limit_ends_the_body():
    reader, chunk = ReadCodex(), b"x" * (1 << 20)
    events = reader.feed(b"data: ")
    for _ in range(17):
        events += reader.feed(chunk)
    assert events[0].how is BodyEnd.BROKEN


def test_an_unknown_event_is_sketched_without_its_texts():
    unknown = unknown_event(Event("response.new", delta="private words"))
    assert unknown.kind == "type response.new"
    assert "private" not in unknown.sample
