"""Bytes of both generations."""

import itertools
import json

from tests.rows import each_row
from tests.upstream.demo.conftest import Asker
from upstream.demo.scenes.script import TEXT_PATH, Begin, Change, Grow, Note, Script, Wait
from upstream.demo.scenes.stream import dump, render, with_crlf

MESSAGE = {"id": "m", "content": {"parts": [""]}}
SCRIPT = Script(
    "c",
    "test",
    (
        Begin(MESSAGE),
        Grow("m", (Change(TEXT_PATH, "append", "Hel"),), is_content=True),
        Grow("m", (Change(TEXT_PATH, "append", "lo \ud83d"),), is_content=True),
        Wait(5),
        Note({"type": "title"}),
        Begin({**MESSAGE, "id": "n"}),
        Grow("m", (Change(TEXT_PATH, "append", "\ude00"),)),
    ),
)


def payloads(*, is_v1: bool) -> list[object]:
    blocks = b"".join(piece.data for piece in render(SCRIPT, is_v1=is_v1)).split(b"\n\n")
    data = [one.rpartition(b"data: ")[2] for one in blocks if one and b"event: ping" not in one]
    return [json.loads(one) for one in data if one != b"[DONE]"]


def test_v0_repeats_the_whole_text_and_never_half_a_character() -> None:
    texts = [
        one["message"]["content"]["parts"][0] for one in payloads(is_v1=False) if "message" in one
    ]
    assert texts == ["", "Hel", "Hello ", "", "Hello 😀"]


def test_v1_says_only_what_differs() -> None:
    whole = {"conversation_id": "c", "error": None, "error_code": None}
    assert payloads(is_v1=True) == [
        "v1",
        {"p": "", "o": "add", "v": {"message": MESSAGE, **whole}, "c": 0},
        {"p": TEXT_PATH, "o": "append", "v": "Hel"},
        {"v": "lo \ud83d"},
        {"type": "title"},
        {"p": "", "o": "add", "v": {"message": {**MESSAGE, "id": "n"}, **whole}, "c": 1},
        {"p": TEXT_PATH, "o": "append", "v": "\ude00", "c": 0},
    ]


def test_only_events_count_for_a_resume() -> None:
    pieces = list(render(SCRIPT, is_v1=True))
    assert sum(piece.is_counted and bool(piece.data) for piece in pieces) == 7
    assert pieces[-1].data == b"data: [DONE]\n\n"


def test_lines_may_end_in_crlf() -> None:
    body = b"".join(piece.data for piece in with_crlf(render(SCRIPT, is_v1=True)))
    assert body.count(b"\n") == body.count(b"\r\n")
    assert body.startswith(b'event: delta_encoding\r\ndata: "v1"\r\n\r\n')


@each_row(("text", "raw"), [("é", '"é"'.encode()), ("\ud83d", b'"\\ud83d"')])
def test_text_is_utf_8_where_it_can_be(text: str, raw: bytes) -> None:
    assert dump(text) == raw


async def test_v1_leaves_out_what_is_inherited_and_pads(asker: Asker) -> None:
    body = asker.body("Tell me about boats", supported_encodings=["v1"])
    async with asker.post("/backend-api/conversation", body) as response:
        lines = (await response.read()).split(b"\n")
    deltas = [
        line.removeprefix(b"data: ")
        for name, line in itertools.pairwise(lines)
        if name == b"event: delta"
    ]
    keys = [tuple(json.loads(one)) for one in deltas]
    assert keys[0] == ("p", "o", "v", "c")
    assert keys[1] == ("v", "c")
    assert keys.count(("v",)) > 5
    assert keys[-1] == ("p", "o", "v")
    assert any(one.endswith(b"  ") for one in deltas)


async def test_a_patch_may_come_without_its_path(asker: Asker) -> None:
    body = asker.body("2+2", supported_encodings=["v1"])
    async with asker.post("/backend-api/conversation", body) as response:
        raw = await response.read()
    assert b'data: {"o":"patch","v":[' in raw
