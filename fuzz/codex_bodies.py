"""Bodies of Codex's back end with as many repeats of a fragment, for `fuzz.targets.linear`.

Each function prepares an input and returns the work to measure.
"""

import json
from collections.abc import Callable, Iterable

from fuzz.inputs import Input
from tests.codex_feeding import body, deltas, meaning

JsonObject = dict[str, object]
MESSAGE = {"type": "message", "id": "msg_1", "role": "assistant", "phase": "final_answer"}
CALL = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f"}
ENDED: JsonObject = {"type": "response.completed", "response": {"status": "completed"}}
PIECE_BYTES = 1_000


def _told(events: Iterable[JsonObject]) -> Callable[[], object]:
    chunks = [body([event]) for event in events]
    return lambda: meaning(deltas(chunks))


def _added(item: JsonObject, index: int = 0) -> JsonObject:
    return {"type": "response.output_item.added", "output_index": index, "item": item}


def _done(item: JsonObject, index: int = 0) -> JsonObject:
    return {"type": "response.output_item.done", "output_index": index, "item": item}


def _part(text: str, annotations: Iterable[JsonObject] = ()) -> JsonObject:
    return {"type": "output_text", "text": text, "annotations": list(annotations)}


def _grown(item: JsonObject, kind: str, given: Input, repeats: int) -> list[JsonObject]:
    place = {"type": f"response.{kind}.delta", "item_id": item["id"], "output_index": 0}
    pieces = [{**place, "content_index": 0, "delta": piece} for piece in given.pieces(repeats)]
    return [_added(item), *pieces]


def codex_text(given: Input, repeats: int) -> Callable[[], object]:
    """Read an answer of as many deltas, each in a read of its own, and once more at its end."""
    done = _done({**MESSAGE, "content": [_part(given.text(repeats))]})
    return _told([*_grown(MESSAGE, "output_text", given, repeats), done, ENDED])


def codex_run(given: Input, repeats: int) -> Callable[[], object]:
    """Read the same in reads that hold many deltas."""
    events = [*_grown(MESSAGE, "output_text", given, repeats), ENDED]
    whole = body(events)
    chunks = [whole[at : at + 8 * PIECE_BYTES] for at in range(0, len(whole), 8 * PIECE_BYTES)]
    return lambda: meaning(deltas(chunks))


def codex_late(given: Input, repeats: int) -> Callable[[], object]:
    """Read an answer that comes in the end of its item alone."""
    return _told([_done({**MESSAGE, "content": [_part(given.text(repeats))]}), ENDED])


def codex_call(given: Input, repeats: int) -> Callable[[], object]:
    """Read a call whose arguments grow."""
    done = _done({**CALL, "arguments": given.text(repeats)})
    return _told([*_grown(CALL, "function_call_arguments", given, repeats), done, ENDED])


def codex_parts(given: Input, repeats: int) -> Callable[[], object]:
    """Read reasoning of as many summaries."""
    item = {"type": "reasoning", "id": "rs_1", "summary": []}
    place = {"type": "response.reasoning_summary_text.delta", "item_id": "rs_1", "output_index": 0}
    grown = [{**place, "summary_index": n, "delta": given.unit} for n in range(repeats)]
    return _told([_added(item), *grown, _done(item), ENDED])


def codex_items(given: Input, repeats: int) -> Callable[[], object]:
    """Read as many items, whose texts wait for the first to end."""
    items = [{**MESSAGE, "id": f"msg_{number}"} for number in range(repeats)]
    waiting = [_added(item, number) for number, item in enumerate(items)]
    content = [_part(given.unit)]
    ends = [_done({**item, "content": content}, n) for n, item in reversed([*enumerate(items)])]
    return _told([*waiting, *ends, ENDED])


def codex_cited(given: Input, repeats: int) -> Callable[[], object]:
    """Read an answer with as many citations."""
    text = given.unit * repeats
    found = [
        {"type": "url_citation", "url": f"https://e.org/{n}", "title": given.unit, **_span(n)}
        for n in range(repeats)
    ]
    return _told([_done({**MESSAGE, "content": [_part(text, found)]}), ENDED])


def _span(number: int) -> JsonObject:
    return {"start_index": number, "end_index": number + 1}


def codex_frames(given: Input, repeats: int) -> Callable[[], object]:
    """Read a body of such fragments in pieces of some hundred bytes."""
    whole = given.text(repeats).encode("utf-8", "ignore")
    chunks = [whole[at : at + PIECE_BYTES] for at in range(0, len(whole), PIECE_BYTES)]
    return lambda: meaning(deltas(chunks))


DELTA = f"event: response.output_text.delta\ndata: {json.dumps({'type': 'response.output_text.delta', 'delta': 'x'})}\n\n"
SEEDS: dict[Callable[[Input, int], Callable[[], object]], dict[str, str]] = {
    codex_text: {"letters": "s", "halves": "😀"},
    codex_run: {"letters": "s", "quotes": '"'},
    codex_late: {"letters": "s"},
    codex_call: {"objects": '{"a":', "escapes": "\\u"},
    codex_parts: {"words": "Hm, "},
    codex_items: {"words": "Tea "},
    codex_cited: {"words": "Tea "},
    codex_frames: {
        "deltas": DELTA,
        "heads": "event: response.output_text.delta\ndata: {",
        "braces": "{\n",
        "no-end": "data: \0x",
    },
}
