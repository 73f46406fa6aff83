"""Target: the v1 decoder, from deltas (one JSON object per line) to documents."""

import contextlib
import copy
import json
from typing import Any

from fuzz.inputs import transcripts
from service.stages.decode.changes import DocumentChanged
from service.stages.decode.delta_v1 import MAX_PATCH_DEPTH, MAX_SEGMENTS, DecodeDelta
from service.vocabulary.errors import UpstreamProtocolError
from tests.oracle.delta_v1 import MISSING, Definition, DeltaError, UndefinedError, whole

MAX_BYTES = 2048
TOKENS = (
    *(b'{"v":', b'"c":', b'"p":', b'"o":', b'"add"', b'"replace"', b'"remove"', b'"append"'),
    *(b'"truncate"', b'"patch"', b'"/message/content/parts/0"', b'"/message/status"', b'""'),
    *(b'"/a/0"', b'"a~1b"', b'"m~0n"', b"[", b"]", b"{", b"}", b",", b"null", b"true", b"\n"),
    *(b'"\\ud83d"', b'"\\ude00"', b"1e400", b"100000000000000000000000", b"-1", b"NaN", b"1.5"),
    b'{"p":"","o":"add","v":{"message":{"id":"a","content":{"parts":[""]}}}}\n',
)
_OBJECT = {"p": "", "o": "patch", "v": []}


def check(data: bytes) -> None:
    """Check that documents are those of the definition, and never change once handed out."""
    definition, decoder = Definition(), DecodeDelta()
    kept: list[tuple[Any, str]] = []
    with contextlib.suppress(UndefinedError, _BeyondError):
        for delta in _deltas(data):
            _compare(definition, decoder, delta, kept)
        for channel, expected in definition.documents.items():
            settled = decoder.feed({**_OBJECT, "c": channel})
            if expected is not MISSING and isinstance(settled, DocumentChanged):
                assert _canonical(settled.document) == _canonical(expected), "another document"
    for document, shown in kept:
        assert _canonical(document) == shown, "a document that was handed out has changed"


class _BeyondError(Exception):
    """The delta is outside the definition."""


def _deltas(data: bytes) -> list[dict[str, Any]]:
    found = []
    for line in data.decode("utf-8", "replace").split("\n"):
        try:
            value = json.loads(line.removeprefix("data: "))
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            found.append(value)
    return found


def _compare(
    definition: Definition, decoder: DecodeDelta, delta: dict[str, Any], kept: list[tuple[Any, str]]
) -> None:
    before = copy.deepcopy(definition.documents)
    fault = None
    try:
        change = decoder.feed(copy.deepcopy(delta))
    except UpstreamProtocolError as error:
        change, fault = None, error
    _expect_defined(delta)
    try:
        expected = definition.apply(delta)
    except DeltaError:
        assert fault is not None, "a delta that is an error was applied"
        return
    if fault is not None:
        # A delta that changes nothing may be refused: removing something that is not there.
        here = before.get(definition.sticky["c"], MISSING)
        assert _canonical(here) == _canonical(expected), f"refused: {fault}"
    elif isinstance(change, DocumentChanged) and expected is not MISSING:
        assert _canonical(change.document) == _canonical(expected), "another document"
        kept.append((change.document, _canonical(change.document)))


def _expect_defined(delta: dict[str, Any]) -> None:
    """Skip deltas over our own limits, and numbers that JavaScript does not have."""
    shown = json.dumps(delta)
    is_deep = shown.count("[") + shown.count("{") > MAX_PATCH_DEPTH
    if is_deep or shown.count("/") >= MAX_SEGMENTS or type(delta.get("c", 0)) is float:
        raise _BeyondError


def _canonical(document: Any) -> str:
    return whole(json.dumps(document, sort_keys=True, ensure_ascii=False, default=str))


def seeds() -> dict[str, bytes]:
    """Return the deltas of transcripts."""
    found = {}
    for name, body in transcripts(8 * MAX_BYTES).items():
        lines = [
            line for line in body.split(b"\n") if line.startswith((b'data: {"v', b'data: {"p'))
        ]
        lines += [line for line in body.split(b"\n") if line.startswith(b'data: {"o')]
        deltas = b"\n".join(lines)
        if name.endswith("v1") and b'"o"' in deltas and len(deltas) <= MAX_BYTES:
            found[name] = deltas
    return found
