"""What must hold for any input: the stages against the definitions in `tests/oracle/`."""

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from service.errors import UpstreamProtocolError
from service.events import BodyEnd, SentHistory
from service.stages.delta import DecodeDelta, DocumentChanged
from service.stages.sse import DecodeSse
from tests.feeding import deltas, read, sent_history
from tests.oracle import render, sse
from tests.oracle.delta_v1 import MISSING, Definition, DeltaError, UndefinedError, whole
from tests.oracle.text import answer_text, is_visible, web_text

MIB = 1024 * 1024
# The same examples in every run: a failure of `make test` has to mean a change.
FAST = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.filter_too_much],
)


def chopped(body: bytes, sizes: list[int]) -> list[bytes]:
    """Return the body in pieces of these sizes, over and over."""
    pieces, place, turn = [], 0, 0
    while place < len(body):
        size = sizes[turn % len(sizes)]
        pieces.append(body[place : place + size])
        place, turn = place + size, turn + 1
    return pieces


SIZES = st.lists(st.integers(1, 60), min_size=1, max_size=8)

# --- framing ------------------------------------------------------------------

TOKENS = [
    *(b"\n", b"\n", b"\r\n", b"\r", b"\n\n", b"\r\n\r\n", b"data: ", b"data:", b"data", b"event: "),
    *(b"event:", b"ping", b"delta", b"id: 1", b"retry: 5", b": comment", b":", b" ", b"[DONE]"),
    *(b'{"a":1}\n', b'{"b":"\xc3\xa9"}\r\n', b"x", b"\xe2\x80\xa8", b"\xef\xbb\xbf", b"\xe6\x97"),
    *(b"\x00", b"foo: bar", b"dat", b"a: ", b"data: 1\ndata: 2\n\n", b"\x85", b"\x0b", b"\x0c"),
]


def frames_of(chunks: list[bytes]) -> list[tuple[str, bytes]]:
    decoder = DecodeSse()
    frames = [frame for chunk in chunks for frame in decoder.feed(chunk)]
    frames += decoder.finish()
    return [(f.name or "message", f.data) for f in frames if not f.stray and f.data]


@FAST
@given(st.lists(st.sampled_from(TOKENS), max_size=40).map(b"".join), SIZES)
def test_frames_are_those_of_the_standard_however_the_body_is_cut(body, sizes):
    text = body.removeprefix(sse.BOM)
    assume(text[:1] not in (b" ", b"\x0b", b"\x0c"))  # blanks before a bare body: not defined
    assert frames_of([body]) == sse.frames(body)
    assert frames_of(chopped(body, sizes)) == sse.frames(body)


@FAST
@given(st.lists(st.sampled_from(TOKENS), max_size=40).map(b"".join))
def test_frames_by_the_byte_are_those_of_the_whole_body(body):
    decoder = DecodeSse()
    by_byte = [f for i in range(len(body)) for f in decoder.feed(body[i : i + 1])]
    by_byte += decoder.finish()
    decoder = DecodeSse()
    assert by_byte == [*decoder.feed(body), *decoder.finish()]


@pytest.mark.parametrize("chunk_bytes", [64 * 1024, 32 * MIB])
def test_an_event_of_just_under_16_mib_is_accepted(chunk_bytes):
    text = "x" * (16 * MIB - 1000)
    message = {"id": "a1", "author": {"role": "assistant"}, "status": "finished_successfully"}
    message |= {"content": {"content_type": "text", "parts": [text]}, "end_turn": True}
    body = b"data: " + json.dumps({"message": message}).encode() + b"\n\ndata: [DONE]\n\n"
    reading = read(deltas(body[i : i + chunk_bytes] for i in range(0, len(body), chunk_bytes)))
    assert reading.outcome == "complete"
    assert len(reading.content) == len(text)


@pytest.mark.parametrize("chunk_bytes", [64 * 1024, 32 * MIB])
def test_an_event_over_16_mib_ends_the_turn_after_what_came_before(chunk_bytes):
    message = {"id": "a1", "author": {"role": "assistant"}, "status": "in_progress"}
    message |= {"content": {"content_type": "text", "parts": ["Hello"]}}
    body = b"data: " + json.dumps({"message": message}).encode() + b"\n\ndata: "
    body += b"x" * (16 * MIB + 1000) + b"\n\ndata: [DONE]\n\n"
    reading = read(deltas(body[i : i + chunk_bytes] for i in range(0, len(body), chunk_bytes)))
    assert reading.content == "Hello"
    assert (reading.failure.status, reading.failure.code) == (502, "upstream_error")


# --- delta encoding -----------------------------------------------------------

TEXTS = st.sampled_from(["", "a", "bc", "é", "😀", "\ud83d", "\ude00", "x/y"])
LEAVES = st.none() | st.booleans() | st.integers(0, 3) | TEXTS
KEYS = st.sampled_from(["a", "b", "a/b", "m~n", "0", "parts"])
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)
SEGMENTS = st.sampled_from(["a", "b", "a~1b", "m~0n", "0", "1", "2", "parts", "00", "-"])
PATHS = st.lists(SEGMENTS, max_size=3).map(lambda parts: "".join(f"/{part}" for part in parts))
PATHS |= st.sampled_from(["a", "a/0", "parts/0", "/message/content/parts/0", "/message/status"])
SIMPLE = st.sampled_from(["add", "replace", "remove", "append", "append"])
MESSAGE = st.builds(
    lambda text: {"message": {"id": "a1", "content": {"parts": [text]}, "status": ""}}, TEXTS
)


def pruned(**keys: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Return objects that have any of these keys."""
    return st.fixed_dictionaries({}, optional=keys)


NESTED = st.fixed_dictionaries({"o": SIMPLE}, optional={"p": PATHS, "v": VALUES})
DELTAS = st.one_of(
    pruned(c=st.integers(0, 2), p=PATHS, o=SIMPLE, v=VALUES),
    pruned(c=st.integers(0, 2), p=PATHS, v=VALUES),
    pruned(v=VALUES),
    pruned(v=TEXTS),
    st.fixed_dictionaries(
        {"o": st.just("patch"), "v": st.lists(NESTED, max_size=3)},
        optional={"p": PATHS, "c": st.integers(0, 2)},
    ),
    st.fixed_dictionaries(
        {"o": st.just("truncate"), "v": st.integers(0, 4)}, optional={"p": PATHS}
    ),
    st.fixed_dictionaries({"p": st.just(""), "o": st.just("add"), "v": MESSAGE}),
    st.fixed_dictionaries(
        {"p": st.just("/message/content/parts/0"), "o": st.just("append"), "v": TEXTS}
    ),
)


def canonical(document: Any) -> str:
    return whole(json.dumps(document, sort_keys=True, ensure_ascii=False, default=str))


@settings(FAST, max_examples=500)
@given(st.lists(DELTAS, max_size=12))
def test_documents_are_those_of_the_definition(sent):
    definition, decoder = Definition(), DecodeDelta()
    for delta in sent:
        before = copy.deepcopy(definition.documents)
        try:
            expected = definition.apply(delta)
        except UndefinedError:
            event("undefined")
            return
        except DeltaError:
            event("refused")
            with pytest.raises(UpstreamProtocolError):
                decoder.feed(copy.deepcopy(delta))
            return
        try:
            change = decoder.feed(copy.deepcopy(delta))
        except UpstreamProtocolError:
            # What changes nothing may be refused as well: removing what is not there.
            assert canonical(before.get(definition.sticky["c"], MISSING)) == canonical(expected)
            continue
        if isinstance(change, DocumentChanged) and expected is not MISSING:
            assert canonical(change.document) == canonical(expected)
    for channel, expected in definition.documents.items():
        settled = decoder.feed({"c": channel, "p": "", "o": "patch", "v": []})
        if expected is not MISSING:
            assert canonical(settled.document) == canonical(expected)


@FAST
@given(st.lists(DELTAS, max_size=8))
def test_documents_handed_out_never_change_later(sent):
    decoder, kept = DecodeDelta(), []
    for delta in sent:
        try:
            change = decoder.feed(copy.deepcopy(delta))
        except UpstreamProtocolError:
            continue
        if isinstance(change, DocumentChanged):
            kept.append((change.document, repr(change.document)))
    assert all(repr(document) == shown for document, shown in kept)


# --- whole turns ----------------------------------------------------------------

CITE = "\ue200cite\ue202turn0search{}\ue201"
WORDS = [
    "Tea ",
    "is",
    "\n\n",
    "【",
    "】 ",
    "† ",
    "茶",
    "😀",
    "**b**",
    "]",
    "(",
    "](",
    "[a](https://e.org/)",
]
WORDS += ["s", "sand", "sandbox", "\ue203", "\ue204", "1", "`", "\u2028", "】", "e\u0301"]
MARKS = ["【{}†source】", "【{}†来源】", CITE]


@st.composite
def answer(draw, message_id: str, *, is_last: bool) -> list[dict[str, Any]]:
    """Steps of one visible message: its text in pieces, its references somewhere among them."""
    text, citations, references = "", [], []
    for number in range(1, draw(st.integers(1, 6))):
        text += "".join(draw(st.lists(st.sampled_from(WORDS), max_size=4)))
        mark = draw(st.sampled_from(MARKS)).format(number)
        if draw(st.booleans()):
            continue
        url = f"https://e.org/{number}"
        if mark.startswith("【"):
            extra = {"cited_message_idx": number}
            metadata = {"type": "webpage", "url": url, "title": "T", "extra": extra}
            citations.append({"start_ix": len(text), "end_ix": 0, "metadata": metadata})
        elif draw(st.booleans()):
            references.append(
                {
                    "type": "grouped_webpages",
                    "matched_text": mark,
                    "start_idx": len(text),
                    "alt": draw(st.sampled_from([None, f"([e]({url}))"])),
                    "items": [{"title": "T", "url": url}],
                }
            )
        text += mark
    steps: list[dict[str, Any]] = [
        {"id": message_id, "text": "", "metadata": {"message_type": "next"}}
    ]
    places = sorted(draw(st.lists(st.integers(0, len(text)), max_size=8)))
    for begin, end in zip([0, *places], [*places, len(text)], strict=True):
        steps.append({"id": message_id, "more": text[begin:end]})
    known = {"citations": citations, "content_references": references}
    steps[draw(st.integers(0, len(steps) - 1))]["metadata"] = known
    steps[0].setdefault("metadata", {})["message_type"] = "next"
    return [*steps, {"id": message_id, "status": "finished_successfully", "end_turn": is_last}]


@st.composite
def other(draw, message_id: str) -> list[dict[str, Any]]:
    """Steps of a message that is not an answer."""
    done = {"id": message_id, "status": "finished_successfully", "end_turn": False}
    kind = draw(st.sampled_from(["code", "call", "result", "hidden", "tool"]))
    text = draw(st.sampled_from(["x = 1", '{"q":"😀"}', "[a](sandbox:/mnt/x)", "【1†source】"]))
    half = draw(st.integers(1, len(text) - 1))
    first: dict[str, Any] = {
        "code": {"code": text[:half], "recipient": "python", "language": "python"},
        "call": {"text": text[:half], "recipient": "web.run"},
        "result": {"role": "tool", "name": "python", "output": text[:half]},
        "hidden": {
            "text": text[:half],
            "metadata": {"is_visually_hidden_from_conversation": True},
        },
        "tool": {"role": "tool", "name": "web.run", "text": text[:half]},
    }[kind]
    return [{"id": message_id, **first}, {"id": message_id, "more": text[half:]}, done]


@st.composite
def turn(draw) -> list[dict[str, Any]]:
    """A whole turn of messages that come one after the other."""
    steps: list[dict[str, Any]] = []
    for number in range(draw(st.integers(0, 4))):
        name = f"m{number}"
        steps += draw(answer(name, is_last=False) if draw(st.booleans()) else other(name))
        if draw(st.booleans()):
            steps.append({"event": {"type": "message_marker", "message_id": name}})
    return [*steps, *draw(answer("last", is_last=True)), {"done": True}]


@settings(FAST, max_examples=100)
@given(turn(), st.integers(0, 10**6), SIZES)
def test_both_generations_and_all_cuts_give_the_text_of_the_definition(steps, seed, sizes):
    growth = render.Growth()
    for step in steps:
        if "id" in step:
            growth.feed(step)
    expected = web_text(growth.finals())
    assume(any(answer_text(each) for each in growth.finals() if is_visible(each)))
    event(f"{len(expected) // 50 * 50} characters")
    for generation in ("v0", "v1"):
        body = b"".join(render.render({"steps": steps}, generation, seed))
        whole_reading = read(deltas([body]))
        assert whole_reading.content == expected
        assert whole_reading.outcome == "complete"
        for url, _, start, end in whole_reading.annotations:
            assert url in expected[start:end]
        assert read(deltas(chopped(body, sizes))) == whole_reading


@st.composite
def crowd(draw) -> list[dict[str, Any]]:
    """Steps of several messages that grow side by side, variants and echoes among them."""
    queues = []
    for number in range(draw(st.integers(2, 4))):
        name = draw(st.sampled_from(["u1", "h2", "x"])) + str(number)
        queues.append(draw(answer(name, is_last=draw(st.booleans())) | other(name)))
    steps: list[dict[str, Any]] = []
    while queues:
        queue = draw(st.sampled_from(queues))
        steps.append(queue.pop(0))
        queues = [each for each in queues if each]
    return [*steps, {"done": True}]


@settings(FAST, max_examples=100)
@given(crowd(), st.integers(0, 10**6), SIZES)
def test_messages_side_by_side_mean_the_same_in_both_generations_and_all_cuts(steps, seed, sizes):
    sent = SentHistory(frozenset({"u10", "h21"}), frozenset({"Tea ", "is"}))
    readings = []
    for generation in ("v0", "v1"):
        body = b"".join(render.render({"steps": steps}, generation, seed))
        readings += [read(deltas([body], sent)), read(deltas(chopped(body, sizes), sent))]
    assert readings == [readings[0]] * 4


# --- garbage --------------------------------------------------------------------

JSON_TOKENS = [
    *('data: {"message":', 'data: {"v":', '"a"', "{", "}", "[", "]", ",", ":", "null", "1e999"),
    *('"message"', '"id"', '"author"', '"role"', '"assistant"', '"content"', '"parts"', '"text"'),
    *('"type"', '"error"', '"p"', '"o"', '"append"', '"patch"', "\n\n", "\n", "event: delta\n"),
    *('data: "v1"\n\n', "data: [DONE]\n\n", "event: delta_encoding\n", '"moderation"', "-1", "NaN"),
    *('"\\ud800"', "\ue200", "【1†", "\x00", "data: ", '"metadata"', '"detail"', "true", "9" * 400),
]


@FAST
@given(st.lists(st.sampled_from(JSON_TOKENS), max_size=60), st.sampled_from(BodyEnd), SIZES)
def test_garbage_ends_a_turn_like_anything_else(tokens, end, sizes):
    body = "".join(tokens).encode()
    assert read(deltas(chopped(body, sizes), end=end)) == read(deltas([body], end=end))


@FAST
@given(st.binary(max_size=300), st.sampled_from(BodyEnd))
def test_random_bytes_end_a_turn_like_anything_else(body, end):
    read(deltas([body], end=end))


def places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the way to every value inside a JSON value."""
    found = [way]
    children = value.items() if isinstance(value, dict) else ()
    children = enumerate(value) if isinstance(value, list) else children
    for key, child in children:
        found += places(child, (*way, key))
    return found


def with_other(value: Any, way: tuple[Any, ...], other_value: Any) -> Any:
    """Return the value with another one at the end of the way."""
    if not way:
        return other_value
    changed = copy.copy(value)
    changed[way[0]] = with_other(value[way[0]], way[1:], other_value)
    return changed


ODD = [
    None,
    True,
    -1,
    1.5,
    "",
    "odd",
    [],
    {},
    [None],
    ["x"],
    {"x": 1},
    [[]],
    [{}],
    {"": None},
    10**30,
]


@settings(FAST, max_examples=400)
@given(st.data(), st.sampled_from(render.names()), st.sampled_from(["v0", "v1"]))
def test_a_field_of_an_unexpected_type_never_raises(data, name, generation):
    transcript = render.load(name)
    assume(generation in render.generations(transcript))
    lines = b"".join(render.render(transcript, generation)).split(b"\n")
    numbers = [n for n, line in enumerate(lines) if line.startswith(b'data: {"')]
    assume(numbers)
    number = data.draw(st.sampled_from(numbers))
    try:
        value = json.loads(lines[number].removeprefix(b"data: "))
    except json.JSONDecodeError:
        return
    changed = with_other(
        value, data.draw(st.sampled_from(places(value))), data.draw(st.sampled_from(ODD))
    )
    lines[number] = b"data: " + json.dumps(changed).encode()
    for profile in ("web", "bot", "raw"):
        read(deltas([b"\n".join(lines)], sent_history(transcript)), profile)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param('data: {"a":' + "[" * 100_000, id="deep and open"),
        pytest.param('data: {"a":' + "[" * 5000 + "]" * 5000 + "}", id="deep"),
        pytest.param(
            'data: {"message":' + '{"content":' * 3000 + "1" + "}" * 3001, id="deep object"
        ),
        pytest.param(
            'data: {"p":"/message/content/parts/99999999999","o":"append","v":"x"}', id="far"
        ),
        pytest.param('data: {"p":"' + "/a" * 5000 + '","o":"append","v":"x"}', id="long path"),
        pytest.param('data: {"o":"truncate","p":"/message/content/parts/0","v":-1}', id="negative"),
        pytest.param('data: {"o":"truncate","p":"/message/content/parts/0","v":1e300}', id="huge"),
        pytest.param('data: {"c":1e300,"o":"append","p":"","v":"x"}', id="strange channel"),
        pytest.param(
            'data: {"o":"patch","p":"","v":'
            + '[{"o":"patch","v":' * 2000
            + "[]"
            + "}]" * 2000
            + "}",
            id="patches in patches",
        ),
        pytest.param('data: {"p":"/__proto__/x","o":"add","v":1}', id="proto"),
        pytest.param("data: " + "9" * 10_000, id="a long number"),
    ],
)
def test_hostile_events_between_others_cost_nothing(line):
    script = {
        "steps": [
            {"id": "a1", "text": "Hel"},
            {"event": {"type": "message_marker"}},
            {"lines": ["event: delta", line, ""]},
            {"id": "a2", "role": "tool", "text": "PRIVATE", "whole": True},
            {"id": "a1", "text": "Hello", "finish": True, "whole": True},
            {"done": True},
        ]
    }
    for generation in ("v0", "v1"):
        reading = read(deltas([b"".join(render.render(script, generation))]))
        assert (reading.content, reading.outcome) == ("Hello", "complete")
