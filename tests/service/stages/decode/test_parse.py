"""The events of each kind of frame (protocol 3.2, 3.6, 4)."""

import json
from typing import Any

from service.stages.decode.parse import Parse
from service.vocabulary.events import (
    ConversationNamed,
    DoneReceived,
    Frame,
    HandedOff,
    InputEchoed,
    MessageSnapshot,
    ModelNamed,
    Moderated,
    ResumeOffered,
    StreamCompleted,
    TextAppended,
    Unknown,
    UpstreamEvent,
    UpstreamFault,
    WebSocketHandOff,
)
from tests.rows import each_row


def parsed(*given: Any, name: str = "") -> list[UpstreamEvent]:
    parse = Parse()
    frames = [
        each
        if isinstance(each, Frame)
        else Frame(name, each if isinstance(each, bytes) else json.dumps(each).encode())
        for each in given
    ]
    return [event for frame in frames for event in parse.feed(frame)]


MESSAGE = {"id": "m", "author": {"role": "assistant"}, "content": {"parts": ["a"]}}
V1 = [
    Frame("delta_encoding", b'"v1"'),
    Frame("delta", json.dumps({"v": {"message": MESSAGE}}).encode()),
]


@each_row(
    ("value", "event"),
    [
        ({"type": "message_stream_complete"}, StreamCompleted()),
        ({"type": "stream_handoff", "options": []}, HandedOff()),
        ({"type": "resume_conversation_token", "token": "t"}, ResumeOffered("t")),
        ({"type": "moderation", "moderation_response": {"blocked": True}}, Moderated(True)),
        ({"type": "moderation", "moderation_response": {"flagged": True}}, Moderated(False)),
        ({"moderation_response": {"blocked": True}, "message_id": "m"}, Moderated(True)),
        ({"type": "input_message", "input_message": {"id": "u"}}, InputEchoed("u")),
        ({"type": "input_message", "input_message": {"message": {"id": "u"}}}, InputEchoed("u")),
        ({"type": "server_ste_metadata", "metadata": {"model_slug": "s"}}, ModelNamed("s")),
        (
            {"type": "server_ste_metadata", "metadata": {"turn_use_case": "image gen"}},
            ModelNamed("", "image gen"),
        ),
        ({"wss_url": "wss://x", "response_id": "r"}, WebSocketHandOff()),
        (b"[DONE]", DoneReceived()),
        (b" [DONE] ", DoneReceived()),
        ({"type": "brand_new"}, Unknown("type brand_new", '{"type": ""}')),
        ({"a": 1, "b": [2]}, Unknown("object", '{"a": 0, "b": [0]}')),
        (b"[1]", Unknown("json list", "[1]")),
        (b"{broken", Unknown("not json", "{broken")),
        (b'"v2"', Unknown("json str", "v2")),
        (Frame("", b"oops", stray=True), Unknown("stray line", "oops")),
    ],
)
def test_each_kind_of_frame_is_one_event(value: Any, event: UpstreamEvent) -> None:
    assert parsed(value) == [event]


@each_row(
    "value",
    [
        b"",
        b"2024-05-01 12:34:56.789012",
        Frame("ping", b'{"message":1}'),
        {"type": "title_generation", "title": "x"},
        {"type": "conversation_detail_metadata"},
        {"type": "message_marker", "marker": "x"},
        {"type": "moderation_response_of_another_kind"} | {"type": "perf_stats"},
        {"type": "resume_conversation_token", "token": None},
        {"type": "input_message", "input_message": []},
        {"message": None},
    ],
)
def test_noise_is_no_event(value: Any) -> None:
    assert parsed(value) == []


def test_deltas_are_recognised_with_and_without_their_event_names() -> None:
    grow = {"p": "/message/content/parts/0", "o": "append", "v": "b"}
    expected = [TextAppended("m", "b"), TextAppended("m", "c")]
    assert parsed(*V1, grow, {"v": "c"}, name="delta")[1:] == expected
    assert parsed({"v": {"message": MESSAGE}}, grow, {"v": "c"})[1:] == expected


def test_whole_objects_between_deltas_do_not_touch_the_decoder() -> None:
    echo = {"message": {**MESSAGE, "id": "u"}}
    grow = {"p": "/message/content/parts/0", "o": "append", "v": "b"}
    events = parsed(*V1, Frame("delta", json.dumps(grow).encode()), echo, {"v": "c"})
    assert isinstance(events[2], MessageSnapshot)
    assert events[3] == TextAppended("m", "c")


def test_the_encoding_header_starts_afresh() -> None:
    grow = Frame("delta", b'{"p":"/message/content/parts/0","o":"append","v":"b"}')
    assert parsed(*V1, grow, *V1, grow)[1] == parsed(*V1, grow)[1]


@each_row(
    ("delta", "kind"),
    [
        (b'{"o":"move"}', "operation move"),
        (b'{"o":"patch","v":[{"o":"add","p":"/a","v":1},{"o":"splice"}]}', "operation splice"),
        (b'{"o":"/home/me 2"}', "operation (not a plain word)"),
        (b'{"o":1}', "bad delta"),
        (b'{"o":"patch","v":[{"p":"/a"}]}', "bad delta"),
        (b'{"o":"patch","v":1}', "bad delta"),
    ],
)
def test_a_bad_delta_is_counted_and_the_next_one_works(delta: bytes, kind: str) -> None:
    events = parsed(
        *V1,
        Frame("delta", delta),
        Frame("delta", b'{"o":"append","p":"/message/content/parts/0","v":"b"}'),
    )
    assert isinstance(events[1], Unknown)
    assert events[1].kind == kind
    assert json.loads(events[1].sample).keys() == json.loads(delta).keys()
    assert events[2] == TextAppended("m", "b")


def test_an_unknown_encoding_is_a_fault() -> None:
    (event,) = parsed(Frame("delta_encoding", b'"v2"'))
    assert isinstance(event, UpstreamFault)
    assert "v2" in event.failure.message


def test_the_conversation_is_named_once_and_again_when_it_changes() -> None:
    events = parsed(*({"type": "toast", "conversation_id": c} for c in ("c1", "c1", "c2")))
    assert events == [ConversationNamed("c1"), ConversationNamed("c2")]


@each_row(
    ("value", "status", "code", "is_body"),
    [
        ({"message": None, "error": "boom"}, 502, "upstream_error", False),
        ({"message": None, "error": "boom", "error_code": "x_y"}, 502, "x_y", False),
        ({"detail": "no"}, 502, "upstream_error", True),
        ({"detail": {"message": "no", "clears_in": 9}}, 429, "rate_limit_exceeded", True),
        ({"detail": {"code": "conversation_not_found"}}, 404, "conversation_not_found", True),
        ({"type": "error", "error": {"message": "x"}}, 502, "upstream_error", False),
        ({"message": "plain words of a proxy"}, 502, "upstream_error", True),
        ({"choices": [{"delta": {}}]}, 502, "upstream_error", False),
    ],
)
def test_errors_under_a_good_status_are_faults(
    value: Any, status: int, code: str, is_body: bool
) -> None:
    (event,) = parsed(value)
    assert isinstance(event, UpstreamFault)
    assert (event.failure.status, event.failure.code, event.is_body) == (status, code, is_body)


def test_the_text_that_comes_with_an_error_is_read_before_it() -> None:
    first, second = parsed({"message": MESSAGE, "error": "boom"})
    assert isinstance(first, MessageSnapshot)
    assert isinstance(second, UpstreamFault)


def test_halves_of_characters_and_bad_utf8_cost_nothing() -> None:
    raw = b'{"message":{"id":"m","content":{"parts":["a\\ud83d"]}}}'
    (event,) = parsed(raw)
    assert event.message.text == "a\ud83d"  # type: ignore[union-attr] - the case says so
    (event,) = parsed(b'{"message":{"id":"m","content":{"parts":["a\xff"]}}}')
    assert event.message.text == "a\ufffd"  # type: ignore[union-attr] - the case says so


def test_several_objects_in_one_event_are_read_one_by_one() -> None:
    assert parsed(b'{"type":"stream_handoff"}\n[DONE]') == [HandedOff(), DoneReceived()]


def test_deeply_nested_garbage_is_counted() -> None:
    assert parsed(b'{"a":' * 100_000)[0] == Unknown("not json", ('{"a":' * 40))


@each_row(
    "frame",
    [
        Frame("", b"no to secret-of-mine", stray=True),
        Frame("", b"no to secret-of-mine"),
        Frame("", b'"no to secret-of-mine"'),
        Frame("", b'{"error":"no to secret-of-mine"}'),
        Frame("", b'{"detail":"no to secret-of-mine"}'),
        Frame("", b'{"type":"x","error":"no to secret-of-mine"}'),
        Frame("delta_encoding", b'"no to secret-of-mine"'),
    ],
)
def test_what_is_quoted_holds_no_secret(frame: Frame) -> None:
    (event,) = Parse(["secret-of-mine"]).feed(frame)
    assert "no to ***" in str(event)
    assert "secret-of-mine" not in str(event)


@each_row(
    ("data", "expected"),
    [
        (b'{"secret-of-mine":1}', Unknown("object", '{"***": 0}')),
        (b'{"no to secret-of-mine":1}', Unknown("object", '{"(not a plain word)": 0}')),
        (b'{"type":"secret-of-mine"}', Unknown("type ***", '{"type": ""}')),
        (b'{"type":"no to secret-of-mine"}', Unknown("type (not a plain word)", '{"type": ""}')),
    ],
)
def test_what_is_counted_holds_no_secret_and_no_words(data: bytes, expected: Unknown) -> None:
    assert list(Parse(["secret-of-mine"]).feed(Frame("", data))) == [expected]
