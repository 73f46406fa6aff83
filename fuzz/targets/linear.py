"""Target: time that grows linearly, on repeats of the fragments that each parser looks for.

An input is a byte that chooses the parser, then a beginning, the fragment to repeat, and an end,
with zero bytes between them:

    03 <tool_call> 00 {"name": 00 </tool_call>

Each function below prepares an input and returns the work to measure.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from fuzz import codex_bodies
from fuzz.costs import check_linear
from fuzz.inputs import Input
from fuzz.requests import ARRIVAL, tried
from fuzz.targets import multipart
from handlers.reading.chat_fields import chat_request
from handlers.reading.json_body import given_names
from service.demands.verdict import judge
from service.observing.redaction import redact
from service.pipeline.joined import make_reader
from service.recordings.scrub import scrub
from service.stages.function_calls.call_text import FindCalls
from service.stages.render.limit import Limit
from service.vocabulary.events import Outcome, TurnEnded
from service.vocabulary.rendered import ContentText
from service.vocabulary.requests import Demand, JsonFormat
from tests.feeding import deltas, read
from tests.lane import driven
from upstream.tokens.service import redacted

MAX_BYTES = 256
TOKENS = (
    *(b"\x00", b"](sandbox:/", b"sandbox:/", b"](", b"(", b")", b"[", b"]", b"\n", b" ", b":::"),
    *(b":::writing{", b"}\n", b":contentReference[oaicite:", b"{index=0}", b"```", b"```json\n"),
    *(b"<tool_call>", b"</tool_call>", b'{"name":"add","arguments":', b'"', b"\\", b"{", b"}", b","),
    *(b"eyJ", b"eyJ.", b"Bearer ", b"sk-", b"token=", b"://", b"@", b"=", b".", b"-", b"_"),
    *(b"data: ", b"data:", b"event: delta\n", b"\r\n", b"\n\n", b'data: {"v":"x"}\n\n', b"a:"),
    *(b"--x\r\n", b"Content-Disposition: form-data; name=a", b"Content-Type: a/b", b"; a=b"),
    *(b"[[", b'{"a":', b"1", b"\\u0000", b"NaN", b"0", b"s", b"sandbox", b"</", b"<<ImageDisplayed>>"),
    *(
        each.encode()
        for each in ("\ue200", "\ue201", "\ue202", "\ue203", "\ue200cite\ue202turn0search1\ue201", "【", "】")
    ),
    *("【1†".encode(), "†".encode(), '\ue200entity\ue202["a","b"]\ue201'.encode(), "😀".encode()),
    b'\xee\x88\x80genui\xee\x88\x82{"math":{"content":"',
)  # fmt: skip
SECRET = "a-refresh-token-that-is-long-enough"  # noqa: S105 - it is nobody's
NAMES = ("add", "get_weather")
STOPS = ("END", "aaab", "](", "\n\n", "xyxyxz")
ANSWER_PATH, CODE_PATH = "/message/content/parts/0", "/message/content/text"


# --- an answer of the upstream ----------------------------------------------------


def _event(value: object, name: str = "") -> bytes:
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(value)}\n\n".encode()


def _message(content: dict[str, Any], **more: Any) -> dict[str, Any]:
    fields = {"id": "a1", "author": {"role": "assistant"}, "status": "in_progress", "metadata": {}}
    return {"message": {**fields, "content": content, **more}, "conversation_id": "c1"}


def _text(text: str, **more: Any) -> dict[str, Any]:
    return _message({"content_type": "text", "parts": [text]}, **more)


DONE = {"status": "finished_successfully", "end_turn": True}
_END = [
    _event({"p": "/message/status", "o": "replace", "v": "finished_successfully"}, "delta"),
    b"data: [DONE]\n\n",
]


def _grown(document: dict[str, Any], path: str, pieces: list[str]) -> list[bytes]:
    """Return the chunks of a v1 body in which a text grows."""
    appended = ({"p": path, "o": "append", "v": piece} for piece in pieces)
    start = [_event("v1", "delta_encoding"), _event({"p": "", "o": "add", "v": document}, "delta")]
    return [*start, *(_event(each, "delta") for each in appended), *_END]


def _told(chunks: list[bytes]) -> Callable[[], object]:
    return lambda: read(deltas(chunks))


def whole(given: Input, repeats: int) -> Callable[[], object]:
    """Read an answer that comes in one event."""
    text = given.text(repeats)
    return _told([_event(_text("")), _event(_text(text)), _event(_text(text, **DONE)), _END[1]])


def by_piece(given: Input, repeats: int) -> Callable[[], object]:
    """Read an answer of as many increments, each in a read of its own."""
    return _told(_grown(_text(""), ANSWER_PATH, given.pieces(repeats)))


def by_letter(given: Input, repeats: int) -> Callable[[], object]:
    """Read an answer letter by letter."""
    return _told(_grown(_text(""), ANSWER_PATH, list(given.text(repeats))))


def by_lane(given: Input, repeats: int) -> Callable[[], object]:
    """Read an answer of as many increments, in the fast lane where it applies."""
    chunks = _grown(_text(""), ANSWER_PATH, given.pieces(repeats))
    return lambda: driven(chunks)


def called(given: Input, repeats: int) -> Callable[[], object]:
    """Read a growing tool call."""
    content = {"content_type": "code", "language": "python", "text": ""}
    document = _message(content, recipient="python")
    return _told(_grown(document, CODE_PATH, given.pieces(repeats)))


def written(given: Input, repeats: int) -> Callable[[], object]:
    """Read a document on the canvas that breaks off."""
    content = {"content_type": "code", "language": "json", "text": '{"name":"a","content":"'}
    document = _message(content, recipient="canmore.create_textdoc")
    return _told(_grown(document, CODE_PATH, given.pieces(repeats)))


def thought(given: Input, repeats: int) -> Callable[[], object]:
    """Read a growing thought."""
    content = {"content_type": "thoughts", "thoughts": [{"summary": "", "content": "x"}]}
    path = "/message/content/thoughts/0/content"
    return _told(_grown(_message(content), path, given.pieces(repeats)))


def taken_back(given: Input, repeats: int) -> Callable[[], object]:
    """Read an answer whose end is replaced again and again."""
    chunks = _grown(_text("x" * 10 * repeats), ANSWER_PATH, [given.begin])[:-2]
    for number in range(repeats):
        chunks.append(_event({"p": ANSWER_PATH, "o": "truncate", "v": 9 * repeats}, "delta"))
        text = f"{number}{given.unit}"
        chunks.append(_event({"p": ANSWER_PATH, "o": "append", "v": text}, "delta"))
    return _told([*chunks, *_END])


def _references(given: Input, repeats: int) -> Iterator[tuple[str, dict[str, Any]]]:
    for number in range(repeats):
        marker = f"\ue200cite\ue202turn0search{number}\ue201"
        item = {"title": given.unit, "url": f"https://e.org/{number}"}
        reference = {"type": "grouped_webpages", "matched_text": marker, "items": [item]}
        yield marker, {"p": f"/message/metadata/content_references/{number}", "v": reference}


def cited(given: Input, repeats: int) -> Callable[[], object]:
    """Read an answer with as many citations, each followed by its reference."""
    chunks = _grown(_text("", metadata={"content_references": []}), ANSWER_PATH, [given.begin])[:-2]
    for marker, added in _references(given, repeats):
        text = f"{given.unit}{marker}"
        chunks.append(_event({"p": ANSWER_PATH, "o": "append", "v": text}, "delta"))
        chunks.append(_event({**added, "o": "add"}, "delta"))
    return _told([*chunks, *_END])


def cited_late(given: Input, repeats: int) -> Callable[[], object]:
    """Read an answer whose references come after all of its text."""
    text = "".join(f"{given.unit}{marker}" for marker, _ in _references(given, repeats))
    document = _text("", metadata={"content_references": []})
    chunks = _grown(document, ANSWER_PATH, [text, "x" * 3000])[:-2]
    added = (_event({**each, "o": "add"}, "delta") for _, each in _references(given, repeats))
    return _told([*chunks, *added, *_END])


# --- other readers ------------------------------------------------------------------


def framed(given: Input, repeats: int) -> Callable[[], object]:
    """Decode a body of events in pieces of a hundred bytes."""
    body = given.text(repeats).encode("utf-8", "ignore")

    def run() -> None:
        reader = make_reader()
        for at in range(0, len(body), 100):
            reader.feed(body[at : at + 100])

    return run


def found(given: Input, repeats: int) -> Callable[[], object]:
    """Find calls in a text that comes in pieces."""

    def run() -> None:
        find = FindCalls(NAMES)
        for piece in given.pieces(repeats):
            find.feed(piece)
        find.finish()

    return run


def found_whole(given: Input, repeats: int) -> Callable[[], object]:
    """Find calls in a text that comes at once."""

    def run() -> None:
        find = FindCalls(NAMES)
        find.feed(given.text(repeats))
        find.finish()

    return run


def demanded(given: Input, repeats: int) -> Callable[[], object]:
    """Judge an answer that has to be JSON, and may be in a fence."""
    demand, text = Demand(json_format=JsonFormat("response_format")), given.text(repeats)
    return lambda: judge(demand, [], [text])


def limited(given: Input, repeats: int) -> Callable[[], object]:
    """Look for stop strings in a text that may begin some."""

    def run() -> None:
        limit = Limit(None, STOPS, None)
        for piece in given.pieces(repeats):
            list(limit.feed(ContentText(piece)))
        list(limit.feed(TurnEnded(Outcome.COMPLETE, "stop")))

    return run


def asked(given: Input, repeats: int) -> Callable[[], object]:
    """Read the body of a request, as it is and as a message."""
    text = given.text(repeats)
    body, message = text.encode("utf-8", "ignore"), {"role": "user", "content": text}
    good = json.dumps({"model": "gpt-4o", "messages": [message]}).encode()

    def run() -> None:
        tried(lambda: chat_request(body, ARRIVAL))
        tried(lambda: given_names(good))
        tried(lambda: chat_request(good, ARRIVAL))

    return run


def logged(given: Input, repeats: int) -> Callable[[], object]:
    """Redact a line of the log."""
    text = given.text(repeats)
    return lambda: redact(text)


def refused(given: Input, repeats: int) -> Callable[[], object]:
    """Redact the words of a token service."""
    text = given.text(repeats)
    return lambda: redacted(text, SECRET)


def filled(given: Input, repeats: int) -> Callable[[], object]:
    """Read a form."""
    body = given.text(repeats).encode("utf-8", "ignore")
    pieces = [body[at : at + 1000] for at in range(0, len(body), 1000)]
    return lambda: multipart.form_of(pieces, len(body))


def replayed(given: Input, repeats: int) -> Callable[[], object]:
    """Replay a capture."""
    text = given.text(repeats)
    body = b"".join([_event(_text(text, **DONE)), text.encode("utf-8", "ignore")])
    return lambda: scrub(body, b"0123456789abcdef")


class Parser(NamedTuple):
    """A function to measure and its longest input, in characters or repeats, whichever is more."""

    work: Callable[[Input, int], Callable[[], object]]
    most_chars: int
    most_repeats: int = 1_000_000


PARSERS = (
    Parser(whole, 200_000),
    Parser(by_piece, 200_000, 16_000),
    Parser(by_letter, 16_000),
    Parser(by_lane, 200_000, 16_000),
    Parser(called, 200_000, 16_000),
    Parser(written, 200_000, 16_000),
    Parser(thought, 200_000, 16_000),
    Parser(taken_back, 200_000, 1_000),
    Parser(cited, 200_000, 1_600),
    Parser(cited_late, 200_000, 1_600),
    Parser(framed, 400_000),
    Parser(found, 200_000, 20_000),
    Parser(found_whole, 200_000),
    Parser(demanded, 200_000),
    Parser(limited, 200_000, 20_000),
    Parser(asked, 400_000),
    Parser(logged, 200_000),
    Parser(refused, 200_000),
    Parser(filled, 200_000),
    Parser(replayed, 20_000),
    Parser(codex_bodies.codex_text, 200_000, 16_000),
    Parser(codex_bodies.codex_run, 200_000, 16_000),
    Parser(codex_bodies.codex_late, 200_000),
    Parser(codex_bodies.codex_call, 200_000, 16_000),
    Parser(codex_bodies.codex_parts, 200_000, 8_000),
    Parser(codex_bodies.codex_items, 200_000, 8_000),
    Parser(codex_bodies.codex_cited, 200_000, 8_000),
    Parser(codex_bodies.codex_frames, 400_000),
)


def check(data: bytes) -> None:
    """Check that four times the input takes about four times as long."""
    parser = PARSERS[data[0] % len(PARSERS)] if data else PARSERS[0]
    parts = data[1:].decode("utf-8", "ignore").split("\0", 2)
    begin, unit, end = {1: ("", *parts, ""), 2: (*parts, "")}.get(len(parts), parts)
    if unit:
        given = Input(begin, unit, end)
        most = min(parser.most_chars // len(unit), parser.most_repeats)
        check_linear(lambda repeats: parser.work(given, repeats), most)


# Fragments by parser; those of answers are for all parsers of answers.
_OF_ANSWERS = {
    "links": "](sandbox:/",
    "bare-links": "sandbox:/",
    "parentheses": "](sandbox:/(",
    "markers": "\ue200cite\ue202x\ue201",
    "openings": "\ue200",
    "open-markers": "\0\ue200" + "x" * 100,
    "brackets": "【1†",
    "styled": "a\ue203",
    "directives": ":contentReference[oaicite:",
    "blocks": "\n:::writing{\n:::",
    "colons": ":::",
    "letters": "s",
    "a-held-marker": "\ue200cite\ue202x\ue201\0x",
    "halves": "😀",
}
_OF_OTHERS: dict[Callable[[Input, int], Callable[[], object]], dict[str, str]] = {
    framed: {
        "events": 'data: {"v":"x"}\n\n',
        "lines": "data: x\n",
        "braces": "{\n",
        "no-end": "data: \0x",
        "returns": "\r",
    },
    found: {"tags": "<tool_call>", "fences": "```\n", "objects": '{"name":', "blanks": "\n \0 "},
    found_whole: {"tags": "<tool_call>", "fences": "```json\n", "objects": '<tool_call>{"', "lt": "<"},
    demanded: {"blanks": "```json\n{\0 ", "fences": "```json\n", "ticks": "`", "lines": "```\n\n"},
    limited: {"nearly": "aaa", "pairs": "xyxy"},
    asked: {"lists": "[", "objects": '{"a":', "digits": "1", "escapes": "\\u"},
    logged: {"tokens": "eyJ", "dotted": "eyJ.", "bearers": "bearer ", "assigned": "token=", "users": "://"},
    refused: {"tokens": "eyJ", "dotted": "eyJa.", "runs": "a-refresh-token-", "blanks": " "},
    filled: {"parts": "--x\r\nA: b\r\n\r\n", "lines": "--x\r\n\0a\r\n", "heads": "--x\r\n\0A: b\r\n"},
    replayed: {"words": "Tea ", "markers": "\ue200cite\ue202"},
    called: {"code": "x = 1\n"},
    written: {"escapes": "\\n", "quotes": '\\"', "letters": "x"},
    thought: {"words": "Hm, "},
    taken_back: {"words": "x"},
    cited: {"words": "Rivers flow "},
    cited_late: {"words": "Rivers flow "},
}  # fmt: skip


def seeds() -> dict[str, bytes]:
    """Return inputs that once cost too much, and similar ones, for the parsers concerned."""
    places = {parser.work: number for number, parser in enumerate(PARSERS)}
    of_answers = {work: dict(_OF_ANSWERS) for work in (whole, by_piece, by_letter, by_lane)}
    given = of_answers | _OF_OTHERS | codex_bodies.SEEDS
    return {
        f"{work.__name__}-{name}": bytes([places[work]]) + text.encode()
        for work, texts in given.items()
        for name, text in texts.items()
    }
