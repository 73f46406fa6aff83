"""Turns of Codex's back end: transcripts, any turn against the definition, any cut, and garbage."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st

from service.stages.encode.chat import ChatChunks, collect
from service.stages.encode.gathered import Gathered
from service.stages.encode.responses import ResponseEvents
from service.stages.render.bot_format import RAW, WEB, Render
from service.stages.render.flat import Flatten
from service.vocabulary.events import AssetKind, AssetReady, AssetWanted, BodyEnd, Delta
from service.vocabulary.native import LimitsKnown, PictureMade
from service.vocabulary.rendered import BotFormat, Rendered, ReplyMeta, TokenCounts
from service.vocabulary.wire import to_json
from tests.chance import FAST, SIZES, chopped, examples
from tests.codex_feeding import SECRET, body, deltas, meaning
from tests.oracle import codex
from tests.response_events import begun, checked, last_response
from tests.rows import each_row

META = ReplyMeta("chatcmpl-1", 1, "m", "fp")
FOLDER = Path(__file__).parents[2] / "transcripts" / "codex"
TRANSCRIPTS = {path.stem: json.loads(path.read_text("utf-8")) for path in FOLDER.glob("*.json")}
CUTS = 40
COMPARED = ("items", "end", "usage", "error", "model", "counts")


def read(chunks: list[bytes], end: BodyEnd = BodyEnd.CLEAN) -> dict[str, Any]:
    return meaning(deltas(chunks, end))


def bytes_of(transcript: dict[str, Any]) -> bytes:
    if transcript.get("bare"):
        return json.dumps(transcript["events"][0]).encode()
    return body(transcript["events"])


@each_row("name", sorted(TRANSCRIPTS))
def test_a_transcript_means_what_is_expected(name):
    transcript = TRANSCRIPTS[name]
    expect, found = transcript["expect"], read([bytes_of(transcript)])
    for key in COMPARED:
        if key in expect or key in ("error", "counts"):
            assert found.get(key) == expect.get(key), transcript["why"]
    if "retry_after" in expect:
        assert found["failure"].retry_after_seconds == pytest.approx(expect["retry_after"])
    if "limits" in expect:
        told = [[one.name, *(w.used_percent for w in one.windows)] for one in found["limits"]]
        assert told == expect["limits"]


@each_row("name", sorted(TRANSCRIPTS))
def test_a_transcript_means_the_same_however_it_is_cut_and_framed(name):
    transcript = TRANSCRIPTS[name]
    whole = bytes_of(transcript)
    expected = read([whole])
    assert read([whole[place : place + 1] for place in range(len(whole))]) == expected
    for cut in range(1, len(whole), len(whole) // CUTS + 1):
        assert read([whole[:cut], whole[cut:]]) == expected, cut
    if not transcript.get("bare"):
        for newline in ("\r\n", "\r"):
            assert read([body(transcript["events"], newline)]) == expected
        assert read([body(transcript["events"], is_named=False)]) == expected
        noisy = whole.replace(b"\n\n", b"\n\n: keep-alive\n\n") + b"data: [DONE]\n\n"
        assert read([noisy]) == expected


@each_row("end", [BodyEnd.CUT, BodyEnd.SILENT, BodyEnd.SHUTDOWN, BodyEnd.BROKEN])
def test_what_came_before_the_end_of_a_body_is_told_before_it(end):
    chunk = body(TRANSCRIPTS["side-by-side"]["events"][:6])
    found = read([chunk], end)
    assert [item["message"] for item in found["items"]] == ["One more", "Two"]
    status = {"cut": 502, "silent": 504, "shutdown": 503, "broken": 502}[end.value]
    assert found["failure"].status == status


def test_a_body_of_words_is_an_error_body_and_a_page_is_not_quoted():
    words = read([b"upstream connect error\n"])
    assert words["end"] == ["refused", None]
    assert "upstream connect error" in words["failure"].message
    page = read([b"<html><title>Just a moment</title>\n"])
    assert page["end"] == ["refused", None]
    assert "moment" not in page["failure"].message
    assert SECRET not in read([f"bad token {SECRET}\n".encode()])["failure"].message


def test_a_delta_of_text_is_no_step_of_a_tool_and_names_no_kind_of_item():
    """Both were found by fuzzing: a run of deltas meant something else than its events."""
    text = {"type": "response.output_text.delta", "item_id": "x", "output_index": 0, "delta": "a"}
    tool = {"type": "response.output_item.added", "output_index": 0, "item": {"id": "x"}}
    found = read([body([tool, text, text])])
    assert found["items"] == [{"tool": {}, "steps": []}]
    found = read([body([{**text, "item": {"type": "reasoning"}}])])
    assert found["items"] == [{"message": "a"}]


def test_names_that_were_shortened_are_mapped_back():
    transcript = TRANSCRIPTS["tool"]["events"]
    found = meaning(deltas([body(transcript)], names={"get_time": "get_the_time_of_a_long_name"}))
    assert [item["call"] for item in found["items"]] == [
        "get_weather",
        "get_the_time_of_a_long_name",
    ]


# --- any turn, against the definition -------------------------------------------------

TEXTS = st.lists(
    st.sampled_from(
        ["Tea ", "is", "\n\n", "茶", "😀", "\u2028", "**b**", "[1]", '"', "\\", "x" * 90]
    ),
    max_size=6,
).map("".join)


def cut(draw: Any, text: str) -> list[str]:
    """Cut a text into pieces, between code points."""
    places = sorted(draw(st.lists(st.integers(0, len(text)), max_size=5)))
    pieces = [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]
    return [piece for piece in pieces if piece]


@st.composite
def told(draw, text: str, *, is_last: bool = True) -> tuple[list[str], str | None]:
    """Draw how a text arrives: whole in pieces, in part, or changed; and the text of `done`.

    The missing rest of a part that is not the last one would come after the parts that are there.
    """
    ways = ["whole", "whole", "other", "pieces only", *(["part", "none"] if is_last else [])]
    how = draw(st.sampled_from(ways))
    event(how)
    if how == "none":
        return [], text
    if how == "part":
        return cut(draw, text[: draw(st.integers(0, len(text)))]), text
    if how == "other":
        return cut(draw, text + draw(st.sampled_from(["", "more", "茶"]))), text
    return cut(draw, text), None if how == "pieces only" else text


@st.composite
def message(draw, index: int) -> list[dict[str, Any]]:
    item_id, phase = f"msg_{index}", draw(st.sampled_from([None, "commentary", "final_answer"]))
    head = {"id": item_id, "type": "message", "role": "assistant"}
    head |= {"phase": phase} if phase and draw(st.booleans()) else {}
    events: list[dict[str, Any]] = [{"type": ADDED, "item": {**head, "content": []}}]
    content: list[dict[str, Any]] = []
    count = draw(st.integers(1, 2))
    for number in range(count):
        place = {"item_id": item_id, "content_index": number}
        text, is_last = draw(TEXTS), number == count - 1
        if draw(st.sampled_from([False, False, True])):
            pieces, whole = draw(told(text, is_last=is_last))
            events += [{"type": "response.refusal.delta", **place, "delta": p} for p in pieces]
            content.append({"type": "refusal", "refusal": whole} if whole is not None else {})
            continue
        pieces, whole = draw(told(text, is_last=is_last))
        events += [{"type": "response.output_text.delta", **place, "delta": p} for p in pieces]
        if whole is not None and draw(st.booleans()):
            events.append({"type": "response.output_text.done", **place, "text": whole})
        notes = [note(draw, n) for n in range(draw(st.integers(0, 2)))]
        for one in notes[:1]:
            kind = "response.output_text.annotation.added"
            events.append({"type": kind, **place, "annotation": one})
        part = {"type": "output_text", "text": whole, "annotations": notes}
        content.append(part if whole is not None else {})
    if not all(content):
        content = []
    done = {**head, "content": content} | ({"phase": phase} if phase else {})
    return [*events, {"type": DONE, "item": done}]


def note(draw: Any, number: int) -> dict[str, Any]:
    start = draw(st.integers(0, 3))
    end = start + draw(st.integers(0, 3))
    page = {"url": f"https://e.org/{number}", "title": draw(st.sampled_from(["", "T"]))}
    return {"type": "url_citation", "start_index": start, "end_index": end, **page}


@st.composite
def reasoning(draw, index: int) -> list[dict[str, Any]]:
    item_id = f"rs_{index}"
    events: list[dict[str, Any]] = [{"type": ADDED, "item": {"id": item_id, "type": "reasoning"}}]
    summary = []
    count = draw(st.integers(0, 3))
    for number in range(count):
        pieces, whole = draw(told(draw(TEXTS), is_last=number == count - 1))
        place = {"item_id": item_id, "summary_index": number}
        kind = "response.reasoning_summary_text.delta"
        events += [{"type": kind, **place, "delta": piece} for piece in pieces]
        summary.append({"type": "summary_text", "text": whole})
    if any(part["text"] is None for part in summary):
        summary = []
    sealed = draw(st.sampled_from([{}, {"encrypted_content": "gAAA"}]))
    done = {"id": item_id, "type": "reasoning", "summary": summary, **sealed}
    return [*events, {"type": DONE, "item": done}]


@st.composite
def call(draw, index: int) -> list[dict[str, Any]]:
    is_custom = draw(st.booleans())
    kind, field = ("custom_tool_call", "input") if is_custom else ("function_call", "arguments")
    head = {"id": f"fc_{index}", "type": kind, "name": "f", "call_id": f"call_{index}"}
    head |= draw(st.sampled_from([{}, {"namespace": "ns"}]))
    pieces, whole = draw(told(draw(TEXTS)))
    delta = f"response.{'custom_tool_call_input' if is_custom else 'function_call_arguments'}.delta"
    events = [{"type": delta, "item_id": f"fc_{index}", "delta": piece} for piece in pieces]
    done = {**head, field: whole} if whole is not None else head
    return [{"type": ADDED, "item": {**head, field: ""}}, *events, {"type": DONE, "item": done}]


@st.composite
def tool(draw, index: int) -> list[dict[str, Any]]:
    kind = draw(st.sampled_from(["web_search_call", "image_generation_call", "brand_new_call"]))
    head = {"id": f"t_{index}", "type": kind, "status": "in_progress"}
    steps = draw(st.lists(st.sampled_from(["in_progress", "searching", "completed"]), max_size=3))
    events = [{"type": f"response.{kind}.{step}", "item_id": head["id"]} for step in steps]
    done: dict[str, Any] = {**head, "status": "completed", "action": {"type": "search"}}
    if kind == "image_generation_call":
        done = {**head, "result": draw(st.sampled_from([None, "", "iVBO"])), "size": "1x1"}
    return [{"type": ADDED, "item": head}, *events, {"type": DONE, "item": done}]


ADDED, DONE = "response.output_item.added", "response.output_item.done"


@st.composite
def turn(draw) -> list[dict[str, Any]]:
    """Draw the events of a turn: items one after the other, or side by side."""
    queues = []
    for index in range(draw(st.integers(0, 4))):
        events = draw(st.one_of(message(index), reasoning(index), call(index), tool(index)))
        if draw(st.sampled_from([False, False, False, True])):
            events = events[:-1] if len(events) > 2 else events
        if draw(st.sampled_from([False, False, False, True])):
            events = events[-1:] if events[-1]["type"] == DONE else events
        queues.append([{**one, "output_index": index} for one in events])
    known = copy.deepcopy([queue[-1]["item"] for queue in queues if queue[-1]["type"] == DONE])
    is_known = len(known) == len(queues)
    events = mixed(draw, queues)
    response: dict[str, Any] = {"id": "r", "model": "gpt-x", "output": []}
    if is_known and draw(st.booleans()):
        response["output"] = known
    if draw(st.booleans()):
        response["usage"] = {"input_tokens": 3, "output_tokens": 2}
    kind = draw(st.sampled_from(["completed", "completed", "done", "incomplete", "cut"]))
    if kind == "cut":
        return events
    if kind == "incomplete":
        reason = draw(st.sampled_from(["max_output_tokens", "content_filter"]))
        response["incomplete_details"] = {"reason": reason}
    return [*events, {"type": f"response.{kind}", "response": response}]


def mixed(draw: Any, queues: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return the events of all items, which begin in order and may interleave."""
    if draw(st.booleans()):
        return [one for queue in queues for one in queue]
    queues = [list(queue) for queue in queues]
    begun, events = 0, []
    while any(queues):
        ready = [queue for queue in queues[: begun + 1] if queue]
        ready = ready or [queue for queue in queues if queue]
        queue = ready[draw(st.integers(0, len(ready) - 1))]
        if begun < len(queues) and queue is queues[begun]:
            begun += 1
        events.append(queue.pop(0))
    return events


def same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    for key in ("items", "end", "usage"):
        assert found.get(key) == expected.get(key), key


@examples(400)
@given(turn(), SIZES, st.booleans())
def test_a_turn_means_what_the_definition_says_however_it_is_cut(events, sizes, is_named):
    whole = body(events, is_named=is_named)
    found = read([whole])
    same(found, codex.meaning(events))
    assert read(chopped(whole, sizes)) == found


# --- garbage --------------------------------------------------------------------

ODD = [None, True, -1, 1.5, "", "odd", [], {}, [None], ["x"], {"x": 1}, [[]], [{}], 10**30]


def places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [way] if way else []
    children = value.items() if isinstance(value, dict) else ()
    children = enumerate(value) if isinstance(value, list) else children
    for key, child in children:
        found += places(child, (*way, key))
    return found


@examples(400)
@given(st.data(), st.sampled_from(sorted(TRANSCRIPTS)))
def test_a_field_of_an_unexpected_type_never_raises(data, name):
    events = copy.deepcopy(TRANSCRIPTS[name]["events"])
    ways = places(events)
    if not ways:
        return
    *way, last = data.draw(st.sampled_from(ways))
    inner: Any = events
    for step in way:
        inner = inner[step]
    inner[last] = data.draw(st.sampled_from(ODD))
    lines = [b"data: " + json.dumps(one).encode() + b"\n\n" for one in events]
    whole = b"".join(lines)
    assert list(deltas([whole])) == list(
        deltas([whole[i : i + 7] for i in range(0, len(whole), 7)])
    )


@FAST
@given(st.binary(max_size=300), st.sampled_from(list(BodyEnd)))
def test_random_bytes_end_a_turn_like_anything_else(data, end):
    assert list(deltas([data], end))[-1].failure is not None


# --- work -------------------------------------------------------------------------


def reads_of(events: list[dict[str, Any]]) -> int:
    """Return how many characters the stages joined, compared or copied for a body."""
    from service.stages.codex import growing  # noqa: PLC0415 - counted only here

    counted = 0
    original = growing.Pieces.joined

    def joined(self: Any) -> str:
        nonlocal counted
        text = original(self)
        counted += len(text)
        return text

    growing.Pieces.joined = joined
    try:
        list(deltas([body(events)]))
    finally:
        growing.Pieces.joined = original
    return counted


def hostile(times: int) -> list[dict[str, Any]]:
    """Return a long text whose whole is repeated many times, and items that all wait."""
    place = {"item_id": "m", "output_index": 0, "content_index": 0}
    said = [{"type": "response.output_text.delta", **place, "delta": "word "}] * times
    again = [{"type": "response.output_text.done", **place, "text": "w"}] * times
    ends = [{"type": DONE, "output_index": 0, "item": {"id": "m", "type": "message"}}] * times
    return [*said, *again, *ends]


def test_work_grows_as_the_input_does():
    small, large = reads_of(hostile(200)), reads_of(hostile(2000))
    assert large <= 10.5 * small


def test_items_are_bounded_and_what_is_too_much_is_counted():
    events = [{"type": ADDED, "output_index": n, "item": {"type": "x_call"}} for n in range(1500)]
    found = read([body(events)])
    assert len(found["items"]) == 999
    assert found["counts"] == {"too many items": 501}


# --- what callers get ---------------------------------------------------------------


def asset(delta: Delta) -> list[Delta]:
    """Return the delta with its picture stored; limits, which no caller gets, are dropped."""
    if isinstance(delta, LimitsKnown):
        return []
    if not isinstance(delta, PictureMade):
        return [delta]
    wanted = AssetWanted(AssetKind.PICTURE, "", "", "", facts=delta.facts)
    return [AssetReady(wanted, f"http://gw/{delta.facts.number}", "n.png", "image/png")]


def batches(events: list[dict[str, Any]], bot_format: BotFormat) -> list[list[Rendered]]:
    """Return the rendered turn, with a batch for each event."""
    render = Render(bot_format)
    return [
        [piece for one in asset(delta) for piece in render.feed(one)]
        for delta in deltas([body(events)])
    ]


def chat(events: list[dict[str, Any]]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the whole reply of a chat, and the chunks of the same answer."""
    flatten, gathered = Flatten(), Gathered()
    chunks = ChatChunks(META)
    sent = b""
    for batch in batches(events, WEB):
        pieces = [flat for piece in batch for flat in flatten.feed(piece)]
        gathered.feed_batch(pieces)
        sent += chunks.feed_batch(pieces)
    reply = json.loads(to_json(collect(gathered, META, TokenCounts(1, 1, 0))))
    assert gathered.ended is not None
    if gathered.ended.failure is None:
        sent += chunks.finish(None)
    frames = [frame.removeprefix(b"data: ") for frame in sent.split(b"\n\n") if frame]
    return reply, [json.loads(frame) for frame in frames if frame != b"[DONE]"]


@examples(200)
@given(turn())
def test_the_chunks_of_a_chat_add_up_to_the_whole_reply(events):
    reply, chunks = chat(events)
    message = reply["choices"][0]["message"]
    said: dict[str, str] = {"content": "", "reasoning_content": "", "refusal": ""}
    calls: dict[int, dict[str, Any]] = {}
    for chunk in chunks:
        delta = chunk["choices"][0]["delta"]
        assert len(delta.keys() & {"content", "reasoning_content", "refusal", "tool_calls"}) <= 1
        for name in said:
            said[name] += delta.get(name, "")
        for call in delta.get("tool_calls", ()):
            known = calls.setdefault(call["index"], {"arguments": "", "id": call.get("id")})
            known["arguments"] += call["function"]["arguments"]
    assert said["content"] == (message["content"] or "")
    assert said["reasoning_content"] == message.get("reasoning_content", "")
    assert said["refusal"] == (message["refusal"] or "")
    assert [(c["id"], c["arguments"]) for c in calls.values()] == [
        (call["id"], call["function"]["arguments"]) for call in message.get("tool_calls", ())
    ]
    assert list(calls) == list(range(len(calls)))
    for note in message["annotations"]:
        assert note["url_citation"]["end_index"] <= len(message["content"] or "")


@examples(200)
@given(turn())
def test_the_events_of_a_response_are_a_sequence_that_readers_accept(events):
    assume("brand_new_call" not in str(events))  # it is passed on, and no client knows it
    response = ResponseEvents(begun())
    stream, ended = response.opening, None
    for batch in batches(events, RAW):
        stream += response.feed_batch(batch)
        ended = response.gathered.ended
    assert ended is not None
    stream += (
        response.fail(ended.failure) if ended.failure else response.finish(TokenCounts(1, 1, 0))
    )
    told = last_response(checked(stream))["output"]
    kinds = {"message": "message", "reasoning": "reasoning", "picture": "image_generation_call"}
    meant = codex.meaning(events)["items"]
    for item, expected in zip(told, meant, strict=True):
        kind = next((kinds[key] for key in kinds if key in expected), None)
        assert kind is None or item["type"] == kind
        if "message" in expected:
            texts = [part.get("text", "") for part in item["content"]]
            assert "".join(texts) == expected["message"]
            assert item.get("phase", "") == expected.get("phase", "")
        if "call" in expected:
            assert item.get("arguments", item.get("input")) == expected["arguments"]
            assert item.get("namespace", "") == expected.get("namespace", "")


def test_words_on_the_way_are_no_part_of_the_answer_but_where_there_is_no_other():
    both = chat(TRANSCRIPTS["commentary"]["events"])[0]["choices"][0]["message"]
    assert both["content"] == "It is 42."
    assert both["reasoning_content"] == "I look into it."
    events = [one for one in TRANSCRIPTS["commentary"]["events"] if one.get("output_index") != 1]
    alone = chat(events)[0]["choices"][0]["message"]
    assert alone["content"] == alone["reasoning_content"] == "I look into it."


def test_places_of_citations_are_those_of_the_whole_answer():
    search = TRANSCRIPTS["search"]["events"]
    first = body_of("First.", 0)
    moved = [
        {**one, "output_index": one["output_index"] + 1} for one in search if "output_index" in one
    ]
    message = chat([*first, *moved, search[-1]])[0]["choices"][0]["message"]
    assert message["content"] == "First.\n\nSe 茶 (e.org)."
    cited = [note["url_citation"] for note in message["annotations"]]
    assert [message["content"][c["start_index"] : c["end_index"]] for c in cited] == [
        "Se",
        "茶 (e.o",
    ]


def body_of(text: str, index: int) -> list[dict[str, Any]]:
    part = {"type": "output_text", "text": text, "annotations": []}
    item = {"id": f"m{index}", "type": "message", "content": [part]}
    return [{"type": DONE, "output_index": index, "item": item}]


def test_a_call_comes_in_the_pieces_in_which_it_was_made():
    _, chunks = chat(TRANSCRIPTS["tool"]["events"])
    calls = [call for one in chunks for call in one["choices"][0]["delta"].get("tool_calls", ())]
    assert [(call["index"], call["function"]["arguments"]) for call in calls] == [
        (0, ""),
        (1, ""),
        (0, '{"city"'),
        (1, '{"zone":'),
        (0, ':"Kyoto"}'),
        (1, '"JST"}'),
    ]
    assert calls[0]["id"] == "call_0"
