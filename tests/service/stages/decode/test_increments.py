"""The recognisers give the same as the stages behind them, or nothing."""

import json
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from service.pipeline.joined import make_reader, merged
from service.stages.decode.changes import Run
from service.stages.decode.increments import deltas_like, first_delta, snapshots_like
from service.stages.decode.parse import Parse
from service.stages.decode.sse import DecodeSse
from service.vocabulary.events import Frame, TextAppended, UpstreamEvent
from tests.chance import FAST, SIZES, chopped
from tests.oracle import render
from tests.rows import each_row

PATH = "/message/content/parts/0"
MESSAGE = {"id": "a1", "author": {"role": "assistant"}, "content": {"parts": [""]}}
SPACED = b'event: delta\ndata: {"v": "%b"}\n\n'


def readable(body: bytes) -> list[UpstreamEvent]:
    """Return the events of a v1 body by the stages alone, one frame at a time."""
    sse, parse = DecodeSse(), Parse()
    frames: list[Frame] = [*sse.feed(body), *sse.finish()]
    return merged(event for frame in frames for event in parse.feed(frame))


def shortened(chunks: list[bytes]) -> list[UpstreamEvent]:
    reader = make_reader()
    events = [event for chunk in chunks for event in reader.feed(chunk)]
    events += reader._events(reader._sse.finish())
    return merged(events)


def event(value: object, name: str = "delta", separators: tuple[str, str] = (", ", ": ")) -> bytes:
    text = value if isinstance(value, str) else json.dumps(value, separators=separators)
    return f"event: {name}\ndata: {text}\n\n".encode()


START = (
    event('"v1"', "delta_encoding")
    + event({"p": "", "o": "add", "v": {"message": MESSAGE}, "c": 0})
    + event({"p": PATH, "o": "append", "v": "It "})
)


# --- v1 -----------------------------------------------------------------------------------


def run_of(chunk: bytes) -> Run | None:
    deltas = deltas_like(chunk)
    return None if deltas is None else deltas.read(chunk)


def test_a_run_is_read_at_one_go() -> None:
    whole = SPACED % b"a" + SPACED % rb"\"b\"\n"
    assert run_of(whole + b"event: x\n") == Run('a"b"\n', 2, len(whole))


def test_an_increment_that_is_not_whole_is_left() -> None:
    first = SPACED % b"a"
    assert run_of(first + b'event: delta\ndata: {"v": "b"}\n') == Run("a", 1, len(first))


def test_what_may_become_another_one_is_known_by_its_beginning() -> None:
    deltas = deltas_like(SPACED % b"a")
    assert deltas is not None
    for begin in (b"", b"ev", b'event: delta\ndata: {"v": "', b'event: delta\ndata: {"v": "b"}\n'):
        assert deltas.may_begin(begin)
    for begin in (b"event: ping", b"data", b'event: delta\ndata: {"p', SPACED % b"b"):
        assert not deltas.may_begin(begin)


@each_row(
    "chunk",
    [
        b"",
        b'data: {"v": "a"}\n',
        b'data: {"v": "a", "c": 1}\n\n',
        b'data: {"v": "a","b"}\n\n',
        b'data: {"v": "a", "c": "b"}\n\n',
        b'data: {"v": "\\"}\n\n',
        b'data: {"v": "a\n"}\n\n',
        b'data: {"v": "\\ud83d"}\n\n',
        b'data: {"v": "\xc3"}\n\ndata: {"v": "\xa9"}\n\n',
        b'data: {"v": "a"}\r\n\r\n',
        b'data: {"p": "", "v": "a"}\n\n',
        b'data: {"v": ["a"]}\n\n',
        b'event: ping\ndata: {"v": "a"}\n\n',
    ],
)
def test_what_it_does_not_know_is_left_to_the_stages(chunk: bytes) -> None:
    assert run_of(chunk) is None
    body = START + chunk + event({"p": "/message/status", "o": "replace", "v": "x"})
    assert shortened([START, body.removeprefix(START)]) == readable(body)


def test_a_run_is_found_behind_other_events_and_only_between_two() -> None:
    assert first_delta(START + SPACED % b"a") == len(START)
    assert first_delta(b'x: data: {"v": "a"}\n\n') == -1
    assert first_delta(b"event: delta\n\n") == -1


def pieces() -> Iterator[st.SearchStrategy[bytes]]:
    """Yield the pieces of a v1 stream, and near misses."""
    texts = st.text(st.sampled_from('ab "\\\n茶😀\u2028\ud83d\ude00{}:,vé'), max_size=6)
    for separators in ((", ", ": "), (",", ":")):
        for is_ascii in (True, False):

            def data(text: str, separators=separators, is_ascii=is_ascii) -> bytes:
                value = json.dumps({"v": text}, separators=separators, ensure_ascii=is_ascii)
                return b"data: " + value.encode("utf-8", "surrogatepass") + b"\n\n"

            yield texts.map(data)
            yield texts.map(lambda text, data=data: b"event: delta\n" + data(text))
    yield st.sampled_from(
        [
            event({"p": PATH, "o": "append", "v": "more"}),
            event({"p": "/message/metadata", "o": "append", "v": {"x": "y"}}),
            event({"v": 1}),
            event({"v": "x", "c": 1}),
            event({"c": 0, "v": "y"}),
            event({"type": "message_marker"}, ""),
            event({"message": {**MESSAGE, "id": "a2"}}, "message"),
            START,
            b": comment\n\n",
            b'data: {"v": "x"}\r\n\r\n',
            b'data: {"v": "x"}\n',
            b'data: {"v": "a","b"}\n\n',
            b'data: {"v": "\xc3"}\n\n',
            b'{"v": "bare"}\n\n',
            b"\n",
            b"data: [DONE]\n\n",
        ]
    )


@given(st.lists(st.one_of(*pieces()), max_size=12), SIZES)
@FAST
def test_any_stream_says_the_same_with_and_without_it(parts: list[bytes], sizes: list[int]) -> None:
    body = START + b"".join(parts)
    expected = readable(body)
    for chunks in ([body], [START, *parts], chopped(body, sizes)):
        assert shortened(chunks) == expected


@each_row("name", render.names())
def test_every_transcript_says_the_same_with_and_without_it(name: str) -> None:
    transcript = render.load(name)
    for generation in render.generations(transcript):
        parts = render.rendered(name, generation)
        body = b"".join(parts)
        if generation == "v0" or b'"message": {"id"' in body or b'{"message":{"id"' in body:
            continue  # superseded events: how much is said of them depends on the reads
        assert shortened([body]) == readable(body)
        assert shortened(parts) == readable(body)


def test_offsets_count_each_increment_of_a_run() -> None:
    reader = make_reader()
    reader.feed(START)
    before = reader.consumed
    long = b"x" * 300
    assert reader.feed(SPACED % long + SPACED % b"b") == [TextAppended("a1", "x" * 300 + "b")]
    assert reader.consumed == before + 2


def test_of_a_read_that_is_cut_anywhere_the_whole_events_are_the_run() -> None:
    events = [SPACED % b"a", SPACED % b"bc"]
    body = b"".join(events)
    for size in range(len(body) + 1):
        whole = events[: (size >= len(events[0])) + (size == len(body))]
        found = run_of(body[:size])
        assert (0 if found is None else found.size) == len(b"".join(whole))


# --- v0 -----------------------------------------------------------------------------------


def snapshot(text: str, status: str = "in_progress") -> bytes:
    value = {"message": {"id": "a1", "content": {"parts": [text]}, "status": status}}
    return json.dumps(value, ensure_ascii=False).encode()


def as_event(data: bytes) -> bytes:
    return b"data: %b\n\n" % data


def test_a_message_that_grows_is_read_by_what_it_adds() -> None:
    text = 'say "it"] ["now" \\'
    snapshots = snapshots_like(snapshot(text), text)
    assert snapshots is not None
    first, second = as_event(snapshot(text + " a")), as_event(snapshot(text + ' a\n"茶"'))
    assert snapshots.read(first) == Run(" a", 1, len(first), first)
    assert snapshots.read(second + b"data: {") == Run('\n"茶"', 1, len(second), second)


def test_of_several_only_the_last_is_looked_into() -> None:
    snapshots = snapshots_like(snapshot("a"), "a")
    assert snapshots is not None
    run = as_event(snapshot("ab")) + as_event(snapshot("abc"))
    assert snapshots.read(run) == Run("bc", 2, len(run), as_event(snapshot("abc")))


def test_if_the_last_one_is_written_otherwise_the_one_before_it_ends_the_run() -> None:
    snapshots = snapshots_like(snapshot("a"), "a")
    assert snapshots is not None
    grown = as_event(snapshot("ab")) + as_event(snapshot("abc"))
    finished = as_event(snapshot("abcd", "finished_successfully"))
    assert snapshots.read(grown + finished) == Run("bc", 2, len(grown), as_event(snapshot("abc")))
    assert snapshots.read(finished) is None


def test_of_snapshots_that_are_cut_anywhere_the_whole_ones_are_the_run() -> None:
    events = [as_event(snapshot("ab" * 200)), as_event(snapshot("ab" * 200 + "c"))]
    body = b"".join(events)
    for size in range(len(body) + 1):
        whole = events[: (size >= len(events[0])) + (size == len(body))]
        snapshots = snapshots_like(snapshot("ab"), "ab")
        assert snapshots is not None
        found = snapshots.read(body[:size])
        assert (0 if found is None else found.size) == len(b"".join(whole))


def test_a_run_is_the_same_wherever_its_first_event_is_cut() -> None:
    events = [as_event(snapshot("ab" + "c" * more)) for more in range(1, 6)]
    for count in range(1, len(events)):
        body, rest = b"".join(events[:count]), b"data: {"
        for cut in range(len(events[0])):
            snapshots = snapshots_like(snapshot("ab"), "ab")
            assert snapshots is not None
            found = snapshots.read(body[cut:] + rest, body[:cut])
            assert found == Run("c" * count, count, len(body), events[count - 1])
            following = events[count]
            assert snapshots.read(following) == Run("c", 1, len(following), following)


@each_row(
    "cut",
    [
        as_event(b'{"v": "x"}'),
        b"event: message\n" + as_event(snapshot("ab")),
        as_event(snapshot("ab"))[:-1] + b"id: 7\n\n",
        b": ping\n\n",
    ],
)
def test_of_a_run_behind_another_event_the_stages_get_all(cut: bytes) -> None:
    body = cut + as_event(snapshot("abc")) + as_event(snapshot("abcd"))
    for size in range(len(cut)):
        snapshots = snapshots_like(snapshot("a"), "a")
        assert snapshots is not None
        assert snapshots.read(body[size:], body[:size]) is None


def test_an_event_whose_end_is_passed_is_left_to_the_stages() -> None:
    text = "a long text " * 20
    snapshots = snapshots_like(snapshot(text), text)
    assert snapshots is not None
    less, more = as_event(snapshot("a")), as_event(snapshot(text + "and more"))
    assert snapshots.read(less + more) is None
    assert snapshots.read(less) is None
    assert snapshots.read(more) == Run("and more", 1, len(more), more)


@each_row(
    "data",
    [
        snapshot("another"),
        snapshot("it is", "finished_successfully"),
        snapshot("it")[:-1] + b', "x": 1}',
        snapshot("it\\")[:-3].replace(b"it\\\\", b"it\\") + b"ss}}",
        snapshot("it").replace(b'"it"', b'"it", "more"'),
        snapshot("it").replace(b'"it"', b'"it\\ud83d"'),
        snapshot("it").replace(b'"it"', b'"it\xff"'),
        b'{"v": "x"}',
    ],
)
def test_a_message_that_does_more_is_left_to_the_stages(data: bytes) -> None:
    snapshots = snapshots_like(snapshot("it"), "it")
    assert snapshots is not None
    assert snapshots.read(as_event(data)) is None


def test_a_message_of_another_text_or_form_has_no_recogniser() -> None:
    assert snapshots_like(snapshot("it"), "that") is None
    assert snapshots_like(b'{"message": {"id": "a1"}}', "") is None
    assert snapshots_like(b'{"parts": ["' + b'"] ' * 100, '"] ' * 99) is None
