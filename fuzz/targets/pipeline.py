"""Target: the whole pipeline, from a body cut anywhere to bytes for the caller."""

import json
from collections.abc import Iterator
from typing import Any

from fuzz.inputs import CHOICE_BYTES, pieces, split, transcripts
from fuzz.mutants import is_recipe, mutant_line, recipes
from service.answers.responses import ModelResponse
from service.pipeline.joined import make_renderer
from service.stages.encode.chat import ChatChunks, collect
from service.stages.encode.completions import CompletionChunks
from service.stages.encode.gathered import Gathered
from service.stages.encode.responses import ResponseEvents
from service.vocabulary.events import BodyEnd, Delta, SentHistory, TurnEnded
from service.vocabulary.rendered import Rendered, ReplyMeta, TokenCounts
from service.vocabulary.wire import MAX_TEXT_CHARS, to_json
from tests.feeding import FORMATS, AnswerAssets, Reading, deltas, read
from tests.lane import driven
from tests.oracle import sse

MAX_BYTES = 4096
MAX_LINE_BYTES = 64 * 1024
SENT = SentHistory(frozenset({"u1", "h1"}), frozenset({"Hi", "Tea "}), frozenset({"file-1"}))
ENDS = (BodyEnd.CLEAN, BodyEnd.CUT, BodyEnd.SILENT, BodyEnd.BROKEN, BodyEnd.SHUTDOWN)
TOKENS = (
    *(b'data: {"message":{"id":"a1",', b'data: {"v":', b'data: "v1"\n\n', b"data: [DONE]\n\n"),
    *(b"event: delta\n", b"event: delta_encoding\n", b'"author":{"role":"assistant"}', b"\n\n"),
    *(b'"content":{"content_type":"text","parts":["', b'"]}', b'"status":"in_progress"', b"\n"),
    *(b'"status":"finished_successfully"', b'"end_turn":true', b'"recipient":"all"', b'"metadata"'),
    *(b'"channel":"final"', b'"error"', b'"detail"', b'"type":"', b'"moderation_response"'),
    *(b'"content_references"', b'"citations"', b'"append"', b'"patch"', b'"replace"', b'"truncate"'),
    *(b'"/message/content/parts/0"', b'"\\ud83d"', b'"multimodal_text"', b'"asset_pointer"'),
    *(b'"sediment://file_1"', b'"thoughts"', b'"execution_output"', b'"code"', b'"system_error"'),
    *(b'"stream_handoff"', b'"input_message"', b'"message_stream_complete"', b'"role":"tool"'),
    "\ue200".encode(), "【1†".encode(), b"sandbox:/", b"\\u2028",
)  # fmt: skip


def check(data: bytes) -> None:
    """Check that there is one end, equal for any cut and the fast lane, and dialects agree."""
    choice, body = split(data)
    if is_recipe(data):
        choice, body = _number(data[1:3]), _mutant(data)
    end = ENDS[choice % len(ENDS)]
    whole = list(deltas([body], SENT, end))
    cut = list(deltas(pieces(body, choice), SENT, end))
    for profile in FORMATS:
        reading, other = read(whole, profile), read(cut, profile)
        assert other == reading, "another cut, another answer"
    if _is_steady(body):
        lane = driven(pieces(body, choice), end, sent=SENT)
        assert lane == read(whole), "the fast lane tells another answer"
    for profile in FORMATS:
        check_dialects(whole, profile)


def _number(data: bytes) -> int:
    return int.from_bytes(data)


def _mutant(data: bytes) -> bytes:
    every = list(transcripts(MAX_BYTES).values())
    return mutant_line(every[_number(data[3:5]) % len(every)][CHOICE_BYTES:], data[5:])


# --- what the fast lane may pass over -------------------------------------------


def _is_steady(body: bytes) -> bool:
    """Tell whether every v0 event keeps what the one before it said.

    Of the events of one message in one read only the last has to count (spec 7.1), so the lane may
    see a text that is rewritten or not.
    """
    messages: dict[str, Any] = {}
    for _, data in sse.frames(body):
        for line in (data, *data.split(b"\n")):
            try:
                value = json.loads(line.decode("utf-8", "replace"))
            except (ValueError, RecursionError):
                if b'"message"' in line:
                    return False  # it replaces the event before it all the same
                continue
            if not isinstance(value, dict) or not isinstance(value.get("message"), dict):
                continue
            message_id = str(value["message"].get("id"))
            if message_id in messages and not _grows(messages[message_id], value):
                return False
            messages[message_id] = value
    return b"truncate" not in body and b"replace" not in body and b"remove" not in body


_MAY_CHANGE = frozenset({"status", "end_turn"})


def _grows(old: Any, new: Any) -> bool:
    if isinstance(old, dict) and isinstance(new, dict):
        return old.keys() == new.keys() and all(
            _grows(old[key], new[key]) or (key in _MAY_CHANGE and old[key] in (None, "in_progress"))
            for key in old
        )
    if isinstance(old, str) and isinstance(new, str):
        return new.startswith(old)
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(_grows, old, new))
    return bool(old == new)


# --- what callers get -----------------------------------------------------------


def check_dialects(whole: list[Delta], profile: str) -> None:
    """Every dialect tells the text of the reading, streamed and whole."""
    reading = read(whole, profile)
    rendered = list(_rendered(whole, profile))
    meta = ReplyMeta(id="chatcmpl-1", created=1, model="m", fingerprint="fp_1")
    chunks, legacy = ChatChunks(meta), CompletionChunks(meta)
    response = ResponseEvents(
        ModelResponse(id="resp_1", created_at=1, model="m", reasoning={}, text={})
    )
    for events in (chunks, legacy, response):
        stream = events.opening
        for piece in rendered:
            stream += events.feed_batch([piece])
        stream += events.keep_alive()
        stream += events.fail(reading.failure) if reading.failure else events.finish(None)
        told = _text(_events(stream, may_be_long=events is response))
        assert told == reading.content, f"{type(events).__name__} tells another text"
    gathered = Gathered()
    gathered.feed_batch(rendered)
    reply = json.loads(to_json(collect(gathered, meta, TokenCounts(1, 1, 0))))
    if reading.failure is None:
        assert (reply["choices"][0]["message"]["content"] or "") == reading.content
    _check_end(reading, rendered)


def _rendered(whole: list[Delta], profile: str) -> Iterator[Rendered]:
    render, assets = make_renderer(FORMATS[profile]), AnswerAssets({})
    for delta in whole:
        yield from render.feed(assets.feed(delta))


def _events(stream: bytes, *, may_be_long: bool) -> list[dict[str, Any]]:
    """Return the events of a stream, checking that clients can read its lines."""
    events = []
    for line in stream.split(b"\n"):
        assert may_be_long or len(line) < MAX_LINE_BYTES, "a line of 64 KiB"
        assert not any(mark in line for mark in (b"\r", b"\xe2\x80\xa8", b"\xc2\x85")), "line end"
        if line.startswith(b"data: ") and line != b"data: [DONE]":
            events.append(json.loads(line.removeprefix(b"data: ")))
        else:
            assert line in (b"", b"data: [DONE]") or line.startswith((b": ", b"event: ")), line
    return events


def _text(events: list[dict[str, Any]]) -> str:
    """Return the text that a client of any dialect puts together from the events."""
    parts = []
    for event in events:
        if event.get("type") == "response.output_text.delta":
            parts.append(event["delta"])
        parts += [
            choice.get("text") or choice.get("delta", {}).get("content") or ""
            for choice in event.get("choices", ())
        ]
    return "".join(parts)


def _check_end(reading: Reading, rendered: list[Rendered]) -> None:
    assert (reading.finish_reason is None) == (reading.failure is not None), "no end, or two"
    ended = rendered[-1]
    assert isinstance(ended, TurnEnded)
    assert all(len(kind) <= 80 and times > 0 for kind, times in ended.counts.items()), "a long kind"
    assert len(ended.counts) <= 40, "too many kinds"
    if reading.failure is not None:
        assert 400 <= reading.failure.status < 600
        assert 0 < len(reading.failure.message) < MAX_TEXT_CHARS


def seeds() -> dict[str, bytes]:
    """Return the transcripts, and recipes for odd ones."""
    return transcripts(MAX_BYTES) | recipes()
