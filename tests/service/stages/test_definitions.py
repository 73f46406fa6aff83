"""Framing and delta encoding, for any input, against the definitions in `tests/oracle/`."""

import copy
import json
from typing import Any

import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st

from service.stages.decode.changes import DocumentChanged
from service.stages.decode.delta_v1 import DecodeDelta
from service.stages.decode.sse import DecodeSse
from service.vocabulary.errors import UpstreamProtocolError
from tests.chance import FAST, SIZES, chopped, examples
from tests.feeding import deltas, read
from tests.oracle import sse
from tests.oracle.delta_v1 import MISSING, Definition, DeltaError, UndefinedError, whole
from tests.rows import each_row

MIB = 1024 * 1024

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


@pytest.mark.whole
@pytest.mark.parametrize("chunk_bytes", [64 * 1024, 32 * MIB])
def test_an_event_of_just_under_16_mib_is_accepted(chunk_bytes):
    text = "x" * (16 * MIB - 1000)
    message = {"id": "a1", "author": {"role": "assistant"}, "status": "finished_successfully"}
    message |= {"content": {"content_type": "text", "parts": [text]}, "end_turn": True}
    body = b"data: " + json.dumps({"message": message}).encode() + b"\n\ndata: [DONE]\n\n"
    reading = read(deltas(body[i : i + chunk_bytes] for i in range(0, len(body), chunk_bytes)))
    assert reading.outcome == "complete"
    assert len(reading.content) == len(text)


@each_row("chunk_bytes", [64 * 1024, 32 * MIB])
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


@pytest.mark.whole
@examples(500)
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
