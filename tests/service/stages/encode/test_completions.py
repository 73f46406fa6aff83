import json
from typing import Any

from service.stages.encode.completions import CompletionChunks, completion
from service.stages.encode.gathered import Gathered
from service.vocabulary.events import (
    AssetKind,
    Failure,
    Outcome,
    ReasoningText,
    TurnEnded,
    TurnFacts,
)
from service.vocabulary.rendered import (
    AssetLinked,
    ContentCited,
    ContentText,
    Rendered,
    ReplyMeta,
    TokenCounts,
)
from service.vocabulary.wire import to_json
from tests.rows import each_row

META = ReplyMeta("cmpl-1", 1_700_000_000, "gpt-4o", "fp_1")
END = TurnEnded(Outcome.COMPLETE, "stop")
COUNTS = TokenCounts(1, 2, 0)
USAGE = {
    "prompt_tokens": 1,
    "completion_tokens": 2,
    "total_tokens": 3,
    "completion_tokens_details": {"reasoning_tokens": 0},
    "estimated": True,
}
MAX_LINE_BYTES = 65_535
BATCHES: list[list[Rendered]] = [
    [TurnFacts("conv", "msg", "slug"), ReasoningText("Hm.")],
    [ContentText("Hel"), ContentCited(1, "[1]", ())],
    [AssetLinked(AssetKind.FILE, "http://x/files/a", "a", "text/csv"), ContentText("lo"), END],
]


def events(stream: bytes) -> list[Any]:
    blocks = stream.split(b"\n\n")
    assert blocks.pop() == b""
    assert all(block.startswith(b"data: ") and len(block) < MAX_LINE_BYTES for block in blocks)
    assert blocks.pop() == b"data: [DONE]"
    return [json.loads(block.removeprefix(b"data: ")) for block in blocks]


def streamed(
    batches: list[list[Rendered]], echo: str = "", counts: TokenCounts | None = None
) -> list[Any]:
    chunks = CompletionChunks(META, echo)
    parts = [chunks.opening, *(chunks.feed_batch(batch) for batch in batches)]
    return events(b"".join([*parts, chunks.finish(counts)]))


def text_of(chunks: list[Any]) -> str:
    return "".join(chunk["choices"][0]["text"] for chunk in chunks if chunk["choices"])


def whole(echo: str = "") -> dict[str, Any]:
    gathered = Gathered()
    for batch in BATCHES:
        gathered.feed_batch(batch)
    return dict(json.loads(to_json(completion(gathered, META, COUNTS, echo))))


def test_chunks_are_completions_of_their_own() -> None:
    chunks = streamed(BATCHES)
    assert chunks[1] == {
        "id": "cmpl-1",
        "object": "text_completion",
        "created": 1_700_000_000,
        "model": "gpt-4o",
        "choices": [{"index": 0, "text": "Hel[1]", "logprobs": None, "finish_reason": None}],
    }
    reasons = [chunk["choices"][0]["finish_reason"] for chunk in chunks]
    assert reasons == [None] * (len(chunks) - 1) + ["stop"]
    assert chunks[-1]["x_files"] == [{"url": "http://x/files/a", "name": "a"}]


def test_a_stream_and_a_whole_reply_agree() -> None:
    for echo in ("", "Say: "):
        reply = whole(echo)
        assert reply["choices"][0]["text"] == text_of(streamed(BATCHES, echo)) == f"{echo}Hel[1]lo"
        assert reply["usage"] == USAGE
        assert reply["system_fingerprint"] == "fp_1"
        assert reply["conversation_id"] == "conv"


def test_usage_comes_last_and_alone() -> None:
    *_, finish, usage = streamed(BATCHES, counts=COUNTS)
    assert finish["choices"][0]["finish_reason"] == "stop"
    assert "usage" not in finish
    assert (usage["choices"], usage["usage"]) == ([], USAGE)


def test_long_texts_and_echoes_are_split() -> None:
    long = "😀" * 40_000
    assert text_of(streamed([[ContentText(long), END]], long)) == long + long


@each_row("reason", ["length", "content_filter"])
def test_the_reason_is_told(reason: str) -> None:
    ended = TurnEnded(Outcome.LENGTH, reason)
    assert streamed([[ContentText("x"), ended]])[-1]["choices"][0]["finish_reason"] == reason


def test_silence_is_filled_with_an_empty_text() -> None:
    chunks = CompletionChunks(META)
    assert chunks.opening == chunks.keep_alive()
    assert json.loads(chunks.keep_alive()[6:])["choices"][0]["text"] == ""


def test_a_failure_is_an_error_frame() -> None:
    frame = CompletionChunks(META).fail(Failure(502, "Cut.", "upstream_error", "upstream_cut"))
    assert json.loads(frame[6:])["error"]["code"] == "upstream_cut"
