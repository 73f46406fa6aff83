"""Target: function calls in a model's text, cut anywhere."""

import json
import re

from fuzz.inputs import split, texts
from service.stages.function_calls.call_block import CallBlock, PlainText
from service.stages.function_calls.call_text import FindCalls
from service.stages.function_calls.take_calls import TakeCalls
from service.vocabulary.events import AnswerText, Delta, Outcome, TurnEnded
from tests.oracle import call_text

MAX_BYTES = 1024
NAMES = ("add", "get_weather")
TOKENS = (
    *(b"<tool_call>", b"</tool_call>", b"```", b"```json\n", b"\n", b"\r\n", b" ", b"<", b"`"),
    *(b'{"name":"add","arguments":{}}', b'"name"', b'"arguments"', b'"get_weather"', b'"add"'),
    *(b'"tool_calls"', b'"function"', b'"tool_uses"', b'"recipient_name"', b'"functions.add"'),
    *(
        b'"parameters"',
        b'"type"',
        b"{",
        b"}",
        b"[",
        b"]",
        b'"',
        b"\\",
        b":",
        b",",
        b"NaN",
        b"1e999",
    ),
    *(b'"\\ud83d"', b"\xe8\x8c\xb6", b"null", b"\\u0000", b"```xml\n<tool_call>\n"),
)
_WHITE = re.compile(r"\s+")


def check(data: bytes) -> None:
    """Check that any cut gives the same pieces, only white space is lost, and calls are JSON."""
    choice, body = split(data)
    text = body.decode("utf-8", "ignore")
    whole = _found([text])
    assert _found(texts(text, choice)) == whole, "another cut, other calls"
    assert _WHITE.sub("", "".join(p.text for p in whole)) == _WHITE.sub("", text), "text is lost"
    for piece in whole:
        if isinstance(piece, CallBlock):
            assert bool(piece.calls) != bool(piece.problem), "neither calls nor a problem"
            assert len(piece.problem) < 1000, "a long problem"
            for call in piece.calls:
                assert call.name, "a call of nothing"
                assert isinstance(json.loads(call.arguments, parse_constant=_no), dict)
        else:
            assert piece.text, "an empty piece"
    _check_stage(text, choice, whole)


def _no(name: str) -> None:
    raise AssertionError(name)


def _found(cut: list[str]) -> list[PlainText | CallBlock]:
    find = FindCalls(NAMES)
    found = [piece for part in cut for piece in find.feed(part)]
    return _joined([*found, *find.finish()])


def _joined(found: list[PlainText | CallBlock]) -> list[PlainText | CallBlock]:
    kept: list[PlainText | CallBlock] = []
    for piece in found:
        last = kept[-1] if kept else None
        if isinstance(piece, PlainText) and isinstance(last, PlainText):
            kept[-1] = PlainText(last.text + piece.text)
        else:
            kept.append(piece)
    return kept


def _check_stage(text: str, choice: int, whole: list[PlainText | CallBlock]) -> None:
    take = TakeCalls(NAMES)
    taken: list[Delta | CallBlock] = []
    end = TurnEnded(Outcome.COMPLETE, "stop")
    deltas: list[Delta] = [*map(AnswerText, texts(text, choice)), end]
    for delta in deltas:
        taken += take.feed(delta)
    assert taken[-1] is end, "no end"
    pieces: list[PlainText | CallBlock] = []
    for piece in taken[:-1]:
        assert isinstance(piece, AnswerText | CallBlock), "something else comes out"
        pieces.append(piece if isinstance(piece, CallBlock) else PlainText(piece.text))
    assert _joined(pieces) == whole, "the stage finds other calls"


def seeds() -> dict[str, bytes]:
    """Return calls in every form that the oracle writes, with text around them."""
    found = {}
    for form in ("tag", "fenced tag", "tag of a fence", "fence", "bare", "openai"):
        is_openai = form == "openai"
        written = call_text.written("add", {"a": 1, "b": "茶"}, form, is_ascii=is_openai)
        found[form.replace(" ", "-")] = f"0aText {written} more\n{written}".encode()
    found["broken"] = b'0a<tool_call>{"name":"add","arguments":{"a":"x</tool_call> and more'
    found["list"] = b'0a[{"name":"add","parameters":{}},{"name":"get_weather","args":"{}"}]'
    found["uses"] = b'0a{"tool_uses":[{"recipient_name":"functions.add","parameters":{"a":[1]}}]}'
    found["mention"] = b'0aUse <tool_call> and `</tool_call>` so: ```json\n{}\n``` or {"name": 1}'
    return found
