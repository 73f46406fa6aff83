"""Target: a body of Codex's back end, any bytes, cut anywhere."""

import json
from collections.abc import Iterable
from pathlib import Path

from msgspec import structs

from fuzz.inputs import pieces, split
from service.stages.codex.drawn import DrawnPictures
from service.stages.codex.events import ReadCodex
from service.vocabulary.events import BodyEnd, BodyEnded, Delta, TurnEnded
from tests.codex_feeding import body, deltas, meaning

MAX_BYTES = 4096
_FOLDER = Path(__file__).parents[2] / "tests" / "transcripts" / "codex"
TOKENS = (
    *(b"data: ", b"event: ", b"\n\n", b"\n", b"\r\n", b"{", b"}", b"[", b"]", b'"', b":", b","),
    *(b'"type":"response.output_item.added"', b'"type":"response.output_item.done"'),
    *(b'"type":"response.output_text.delta"', b'"type":"response.completed"', b'"type":"error"'),
    *(b'"type":"response.function_call_arguments.delta"', b'"type":"response.failed"'),
    *(b'"type":"response.reasoning_summary_text.delta"', b'"type":"response.refusal.delta"'),
    *(b'"type":"response.web_search_call.searching"', b'"type":"codex.rate_limits"'),
    *(b'"output_index":0', b'"output_index":1', b'"item_id":"a"', b'"content_index":1'),
    *(b'"item":{"type":"message"}', b'"item":{"type":"function_call","name":"f","call_id":"c"}'),
    *(b'"item":{"type":"reasoning","id":"a"}', b'"item":{"type":"image_generation_call"}'),
    *(b'"delta":"x"', b'"text":"x"', b'"content":[', b'"response":{', b'"output":[', b'"usage":{'),
    *(b'"error":{"code":"slow_down"}', b'"detail":"d"', b"null", b"true", b"-1", b"1e999"),
    *(b'"type":"image_generation.completed"', b'"b64_json":"YQ=="', b'"data":[{', b'"size":"1x1"'),
    *(b'"\\ud83d"', b"\xe8\x8c\xb6", b"\xff", b"\xe2\x80\xa8", b"data: [DONE]\n\n", b": ping\n\n"),
)
_ENDS = (BodyEnd.CLEAN, BodyEnd.CUT, BodyEnd.SILENT, BodyEnd.SHUTDOWN)


def check(data: bytes) -> None:
    """Check that a turn ends once, its events are in a valid order, and any cut means the same."""
    choice, whole = split(data)
    end = _ENDS[choice % len(_ENDS)]
    expected = meaning(deltas([whole], end))
    assert meaning(deltas(pieces(whole, choice), end)) == expected, "another cut, another meaning"
    drawn = _drawn([whole], end)
    assert sum(isinstance(delta, TurnEnded) for delta in drawn) == 1, "an order ends once"
    assert isinstance(drawn[-1], TurnEnded), "something comes after the end"
    assert _drawn(pieces(whole, choice), end) == drawn, "another cut, other pictures"


def _drawn(chunks: Iterable[bytes], end: BodyEnd) -> list[Delta]:
    """Return the deltas of the same bytes as the answer to an order of two pictures."""
    reader, stage = ReadCodex(), DrawnPictures(0.0, 2)
    events = [event for chunk in chunks for event in reader.feed(chunk)]
    events += reader.end(BodyEnded(end))
    made = [delta for event in events for delta in stage.feed(event)]
    # Runs of text, which are none of its events, are counted as one where they arrive as one.
    return [
        structs.replace(delta, counts={}, samples={}) if isinstance(delta, TurnEnded) else delta
        for delta in made
    ]


def seeds() -> dict[str, bytes]:
    """Return the bodies of all transcripts that fit."""
    found = {}
    for path in sorted(_FOLDER.glob("*.json")):
        transcript = json.loads(path.read_text("utf-8"))
        whole = body(transcript["events"])
        if len(whole) < MAX_BYTES - 2:
            found[path.stem] = b"00" + whole
    return found
