import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from service.stages.encode.chat import DONE, ChatChunks, collect
from service.stages.encode.gathered import Gathered
from service.vocabulary.events import (
    AssetKind,
    CitationResolved,
    FunctionArguments,
    FunctionCallStarted,
    Outcome,
    ReasoningText,
    Source,
    TextSpent,
    TurnEnded,
    TurnFacts,
)
from service.vocabulary.rendered import (
    AssetLinked,
    ContentCited,
    ContentText,
    FunctionCall,
    Rendered,
    ReplyMeta,
    TokenCounts,
)
from service.vocabulary.wire import to_json
from tests.chance import examples
from tests.rows import each_row

META = ReplyMeta("chatcmpl-1", 1_700_000_000, "gpt-4o", "fp_1")
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
A = Source("https://a.example", "A")
B = Source("https://b.example", "")


def events(stream: bytes) -> list[Any]:
    """Parse as the strictest reader does: whole lines, one event each."""
    assert stream.endswith(b"\n\n")
    blocks = stream[:-2].split(b"\n\n") if stream else []
    assert all(b"\n" not in block and b"\r" not in block for block in blocks)
    assert all(len(block) < MAX_LINE_BYTES for block in blocks)
    assert all(block.startswith(b"data: ") for block in blocks)
    bodies = [block.removeprefix(b"data: ") for block in blocks]
    return [body if body == b"[DONE]" else json.loads(body) for body in bodies]


def streamed(
    batches: list[list[Rendered]], meta: ReplyMeta = META, counts: TokenCounts | None = None
) -> list[Any]:
    chunks = ChatChunks(meta)
    parts = [
        chunks.opening,
        *(chunks.feed_batch(batch) for batch in batches),
        chunks.finish(counts),
    ]
    return events(b"".join(parts))


def deltas(batches: list[list[Rendered]]) -> list[Any]:
    return [chunk["choices"][0]["delta"] for chunk in streamed(batches)[:-1]]


def gathered(batches: list[list[Rendered]]) -> Gathered:
    answer = Gathered()
    for batch in batches:
        answer.feed_batch(batch)
    return answer


def whole_reply(batches: list[list[Rendered]], meta: ReplyMeta = META) -> dict[str, Any]:
    return dict(json.loads(to_json(collect(gathered(batches), meta, COUNTS))))


def test_a_short_answer_is_these_bytes() -> None:
    chunks = ChatChunks(META)
    head = (
        b'data: {"object":"chat.completion.chunk","id":"chatcmpl-1","model":"gpt-4o",'
        b'"created":1700000000,'
    )
    assert chunks.opening == (
        head + b'"choices":[{"index":0,"delta":{"role":"assistant","content":""},'
        b'"finish_reason":null}]}\n\n'
    )
    assert chunks.feed_batch([ContentText("Hi")]) == (
        head + b'"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}]}\n\n'
    )
    assert chunks.keep_alive() == (
        head + b'"choices":[{"index":0,"delta":{},"finish_reason":null}]}\n\n'
    )
    assert chunks.feed_batch([END]) == b""
    assert chunks.finish(None) == (
        head + b'"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n' + DONE
    )


def test_neighbouring_texts_of_a_batch_share_a_chunk_and_kinds_never_mix() -> None:
    batch: list[Rendered] = [
        ReasoningText("r1"),
        ReasoningText("r2"),
        ContentText("c1"),
        TurnFacts("c"),
        ContentCited(1, "[[1](u)]", ()),
        ContentText("c2"),
        ReasoningText("r3"),
    ]
    assert deltas([batch])[1:-1] == [
        {"reasoning_content": "r1r2"},
        {"content": "c1[[1](u)]c2"},
        {"reasoning_content": "r3"},
    ]


def test_a_batch_without_text_is_no_bytes() -> None:
    assert ChatChunks(META).feed_batch([TurnFacts("c"), ContentCited(1, "", (A,)), END]) == b""


@each_row("character", ["a", "你", "\x00", "😀", "\ud800", '"', "\u2028"])
def test_a_long_text_is_split_into_lines_under_64_kib(character: str) -> None:
    text = character * 100_000
    found = deltas([[ContentText(text)]])
    assert "".join(delta.get("content", "") for delta in found) == text


def test_model_names_are_escaped() -> None:
    assert streamed([], ReplyMeta("i", 1, 'a"\u2028\ud800', "fp_1"))[0]["model"] == 'a"\u2028\ud800'


def test_usage_comes_after_the_finish_and_only_when_asked() -> None:
    assert [bool(c["choices"]) for c in streamed([[END]])[:-1]] == [True, True]
    *_, finish, usage, done = streamed([[END]], counts=COUNTS)
    assert finish["choices"][0]["finish_reason"] == "stop"
    assert (usage["choices"], usage["usage"], done) == ([], USAGE, b"[DONE]")
    assert usage["id"] == finish["id"]


def test_the_finish_reason_is_the_one_the_turn_ended_with() -> None:
    ended = TurnEnded(Outcome.FILTERED, "content_filter")
    assert streamed([[ended]])[-2]["choices"][0]["finish_reason"] == "content_filter"
    assert whole_reply([[ended]])["choices"][0]["finish_reason"] == ("content_filter")


def test_citations_become_annotations_with_offsets_in_code_points() -> None:
    batch: list[Rendered] = [
        ReasoningText("not counted"),
        ContentText("😀你 "),
        ContentCited(1, "[[1](https://a.example)]", (A,)),
        ContentText("."),
        ContentCited(2, "", ()),
        ContentText("!"),
        CitationResolved(2, (B, Source("", "a file"))),
        END,
    ]
    reply = whole_reply([batch])["choices"][0]["message"]
    assert [entry["url_citation"] for entry in reply["annotations"]] == [
        {"url": A.url, "title": "A", "start_index": 3, "end_index": 27},
        {"url": B.url, "title": B.url, "start_index": 28, "end_index": 28},
    ]
    assert reply["content"][3:27] == "[[1](https://a.example)]"
    assert deltas([batch])[-1] == {"annotations": reply["annotations"]}


def test_a_source_that_is_named_again_for_its_place_is_not_repeated() -> None:
    batch: list[Rendered] = [ContentCited(1, "", (A,)), CitationResolved(1, (A, B)), END]
    found = whole_reply([batch])["choices"][0]["message"]["annotations"]
    assert [entry["url_citation"]["url"] for entry in found] == [A.url, B.url]


def test_a_late_source_whose_place_was_cut_off_is_dropped() -> None:
    batch: list[Rendered] = [CitationResolved(7, (A,)), END]
    assert whole_reply([batch])["choices"][0]["message"]["annotations"] == []


def test_the_turns_names_and_links_are_on_the_last_chunks_and_the_whole_reply() -> None:
    batch: list[Rendered] = [
        TurnFacts("conv", "msg", "gpt-4o-2024"),
        AssetLinked(AssetKind.PICTURE, "https://g/images/1.png", "", "image/png", "a cat"),
        AssetLinked(AssetKind.FILE, "https://g/files/2.csv", "data.csv", "text/csv"),
        AssetLinked(AssetKind.FILE, "https://g/files/2.csv", "data.csv", "text/csv"),
        END,
    ]
    names = {"conversation_id": "conv", "message_id": "msg", "upstream_model": "gpt-4o-2024"}
    links = {
        "x_images": [{"url": "https://g/images/1.png", "revised_prompt": "a cat"}],
        "x_files": [{"url": "https://g/files/2.csv", "name": "data.csv"}],
    }
    *_, finish, usage, _ = streamed([batch], counts=COUNTS)
    assert names.items() | {} <= finish.items()
    assert {key: finish[key] for key in links} == links
    assert {key: usage[key] for key in names} == names
    assert "x_images" not in usage
    whole = whole_reply([batch])
    assert {key: whole[key] for key in names | links} == names | links


def test_a_temporary_chat_gives_out_no_ids() -> None:
    batch: list[Rendered] = [TurnFacts("conv", "msg", "slug"), END]
    temporary = ReplyMeta("i", 1, "m", "fp_1", is_temporary=True)
    for reply in (streamed([batch], temporary)[-2], whole_reply([batch], temporary)):
        assert reply["upstream_model"] == "slug"
        assert not {"conversation_id", "message_id"} & reply.keys()


def test_a_finish_chunk_that_would_be_too_long_is_trimmed_and_the_whole_reply_is_not() -> None:
    cited: list[Rendered] = [
        ContentCited(slot, "x", (Source(f"https://a.example/{slot}", "你" * 50),))
        for slot in range(2_000)
    ]
    pictures: list[Rendered] = [
        AssetLinked(AssetKind.PICTURE, f"https://g/{at}.png", "", "image/png", "p" * 9_000)
        for at in range(20)
    ]
    batch = [*cited, *pictures, END]
    *_, finish, _ = streamed([batch])
    assert 1 <= len(finish["x_images"]) < 20
    assert len(finish["choices"][0]["delta"]["annotations"]) > 1
    whole = whole_reply([batch])
    assert len(whole["x_images"]) == 20
    assert len(whole["choices"][0]["message"]["annotations"]) == 2_000


def test_a_whole_reply_has_exactly_these_keys() -> None:
    whole = whole_reply([[ContentText("Hi"), END]])
    assert whole == {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "gpt-4o",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "Hi",
                    "refusal": None,
                    "annotations": [],
                },
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": USAGE,
        "system_fingerprint": "fp_1",
    }


CALLS: list[Rendered] = [
    FunctionCallStarted(0, "call_a", "add"),
    FunctionArguments(0, '{"a":1}'),
    FunctionCallStarted(1, "call_b", "now"),
    FunctionArguments(1, "{"),
    FunctionArguments(1, "}"),
    TurnEnded(Outcome.COMPLETE, "tool_calls"),
]


def test_a_call_tells_id_type_and_name_once_and_then_its_arguments() -> None:
    assert deltas([[ContentText("So: "), *CALLS]])[1:] == [
        {"content": "So: "},
        {"tool_calls": [_opened(0, "call_a", "add")]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"a":1}'}}]},
        {"tool_calls": [_opened(1, "call_b", "now")]},
        {"tool_calls": [{"index": 1, "function": {"arguments": "{"}}]},
        {"tool_calls": [{"index": 1, "function": {"arguments": "}"}}]},
        {},
    ]
    assert streamed([CALLS])[-2]["choices"][0]["finish_reason"] == "tool_calls"


def _opened(index: int, call_id: str, name: str) -> dict[str, Any]:
    function = {"name": name, "arguments": ""}
    return {"index": index, "id": call_id, "type": "function", "function": function}


def test_a_whole_reply_of_calls_alone_has_null_for_content() -> None:
    choice = whole_reply([CALLS])["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"] == {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "annotations": [],
        "tool_calls": [
            {
                "id": "call_a",
                "type": "function",
                "function": {"name": "add", "arguments": '{"a":1}'},
            },
            {"id": "call_b", "type": "function", "function": {"name": "now", "arguments": "{}"}},
        ],
    }
    said = gathered([[ContentText("So: "), *CALLS]])
    assert (
        whole_reply([[ContentText("So: "), *CALLS]])["choices"][0]["message"]["content"] == "So: "
    )
    assert said.calls[1] == FunctionCall("call_b", "now", "{}")


def test_a_stream_that_may_call_begins_without_a_text() -> None:
    calling = ReplyMeta("i", 1, "m", "fp_1", may_call=True)
    first, *_ = streamed([CALLS], calling)
    assert first["choices"][0]["delta"] == {"role": "assistant"}
    texts = [chunk["choices"][0]["delta"] for chunk in streamed([[ContentText("Hi")]], calling)[:2]]
    assert texts == [{"role": "assistant"}, {"content": "Hi"}]


def test_a_caller_of_the_old_form_gets_a_function_call() -> None:
    old = ReplyMeta("i", 1, "m", "fp_1", is_legacy_call=True)
    pieces = [*CALLS[:2], CALLS[-1]]
    choice = whole_reply([pieces], old)["choices"][0]
    assert choice["finish_reason"] == "function_call"
    assert choice["message"]["function_call"] == {"name": "add", "arguments": '{"a":1}'}
    chunks = [chunk["choices"][0] for chunk in streamed([pieces], old)[1:-1]]
    assert [chunk["delta"].get("function_call") for chunk in chunks] == [
        {"name": "add", "arguments": ""},
        {"arguments": '{"a":1}'},
        None,
    ]
    assert chunks[-1]["finish_reason"] == "function_call"
    assert "tool_calls" not in str(chunks)


@each_row("character", ["a", '"', "你", "😀", "\\", "\x00", "\ud800"])
def test_long_arguments_are_split_into_lines_under_64_kib(character: str) -> None:
    text = json.dumps({"a": character * 50_000}, ensure_ascii=False)
    found = deltas([[FunctionCallStarted(0, "c", "f"), FunctionArguments(0, text)]])
    calls = [call for delta in found for call in delta.get("tool_calls", ())]
    assert "".join(call["function"]["arguments"] for call in calls) == text


def test_spent_text_is_not_part_of_the_answer() -> None:
    spent = TextSpent(("Correct it.",), "wrong")
    assert ChatChunks(META).feed_batch([spent]) == b""
    assert gathered([[spent, END]]).spent == [spent]


TEXTS = st.text(st.characters(codec=None), max_size=8)
PIECES = st.one_of(
    TEXTS.map(ContentText),
    TEXTS.map(ReasoningText),
    st.builds(ContentCited, st.integers(0, 5), TEXTS, st.sampled_from([(), (A,), (A, B)])),
    st.builds(CitationResolved, st.integers(0, 5), st.just((B,))),
    st.just(AssetLinked(AssetKind.FILE, "https://g/files/2.csv", "data.csv", "text/csv")),
    st.builds(TurnFacts, st.just("conv"), st.just("msg"), st.just("slug")),
)


@examples(100)
@given(st.lists(st.lists(PIECES, max_size=6), max_size=6))
def test_collecting_the_chunks_of_a_stream_gives_the_whole_reply(
    batches: list[list[Rendered]],
) -> None:
    batches = [*batches, [END]]
    whole = whole_reply(batches)
    *chunks, usage, done = streamed(batches, counts=COUNTS)
    assert done == b"[DONE]"
    message: dict[str, Any] = {"refusal": None, "annotations": []}
    for chunk in chunks:
        for key, value in chunk["choices"][0]["delta"].items():
            message[key] = message[key] + value if key in message else value
    finish = chunks[-1]
    extras = {k: v for k, v in finish.items() if k not in ("choices", "object")}
    choice = {"index": 0, "message": message, "logprobs": None}
    choice["finish_reason"] = finish["choices"][0]["finish_reason"]
    assert whole == {
        **extras,
        "object": "chat.completion",
        "choices": [choice],
        "usage": usage["usage"],
        "system_fingerprint": "fp_1",
    }


def test_a_line_of_emoji_beside_a_lone_surrogate_is_still_under_64_kib() -> None:
    frames = ChatChunks(ReplyMeta("chatcmpl-x", 1, "m" * 255, "fp_1")).feed_batch(
        [ContentText("\ud83d" + "😀" * 20_000)]
    )
    assert max(len(line) for line in frames.split(b"\n")) < 64 * 1024
