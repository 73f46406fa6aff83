import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from service.answers.responses import ModelResponse
from service.stages.encode.responses import CANCELLED, ResponseEvents
from service.vocabulary.events import (
    AssetKind,
    CitationResolved,
    Failure,
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
    Rendered,
    TokenCounts,
)
from tests.chance import FAST
from tests.response_events import (
    begun,
    check_response,
    checked,
    last_response,
    parsed,
    text_of,
    types_of,
)
from tests.rows import each_row

BEGUN = begun(metadata={"a": "b"})
END = TurnEnded(Outcome.COMPLETE, "stop")
LENGTH = TurnEnded(Outcome.LENGTH, "length")
FILTERED = TurnEnded(Outcome.FILTERED, "content_filter")
FAILURE = Failure(502, "It was cut.", "upstream_error", "upstream_cut")
CUT = TurnEnded(Outcome.CUT, None, FAILURE)
COUNTS = TokenCounts(1, 2, 0)
USAGE = {
    "input_tokens": 1,
    "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
    "output_tokens": 2,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 3,
    "estimated": True,
}
PICTURE = AssetLinked(AssetKind.PICTURE, "http://x/images/p.png", "p.png", "image/png", "a cat")
Batches = list[list[Rendered]]


def stream(batches: Batches, response: ModelResponse = BEGUN) -> bytes:
    events = ResponseEvents(response)
    parts = [events.opening, *(events.feed_batch(batch) for batch in batches)]
    ended = events.gathered.ended
    if ended is not None and ended.failure is not None:
        parts.append(events.fail(ended.failure))
    else:
        parts.append(events.finish(COUNTS))
    return b"".join(parts)


def streamed(*batches: list[Rendered]) -> list[Any]:
    return checked(stream(list(batches)))


def final(*batches: list[Rendered]) -> dict[str, Any]:
    return last_response(streamed(*batches))


def test_an_answer_of_text_is_this_sequence() -> None:
    events = streamed([ContentText("Hel")], [ContentText("lo")], [END])
    assert types_of(events) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    added, delta = events[2], events[4]
    assert added["item"] == {
        "id": "msg_1000",
        "type": "message",
        "status": "in_progress",
        "role": "assistant",
        "content": [],
    }
    assert delta == {
        "type": "response.output_text.delta",
        "sequence_number": 4,
        "item_id": "msg_1000",
        "output_index": 0,
        "content_index": 0,
        "delta": "Hel",
        "logprobs": [],
    }
    assert events[-1]["response"]["output"] == [
        {
            "id": "msg_1000",
            "type": "message",
            "status": "completed",
            "role": "assistant",
            "content": [
                {"type": "output_text", "text": "Hello", "annotations": [], "logprobs": []}
            ],
        }
    ]


def test_a_response_has_the_keys_that_are_required() -> None:
    response = final([ContentText("Hi"), END])
    for key in ("id", "created_at", "model", "output", "parallel_tool_calls", "tool_choice"):
        assert response[key] is not None
    for key in ("error", "incomplete_details", "instructions"):
        assert response[key] is None
    assert response["object"] == "response"
    assert response["status"] == "completed"
    assert response["usage"] == USAGE
    assert response["metadata"] == {"a": "b"}
    assert response["tools"] == []


def test_reasoning_is_an_item_of_its_own_before_the_message() -> None:
    events = streamed([ReasoningText("Let me ")], [ReasoningText("see."), ContentText("4")], [END])
    assert types_of(events)[2:11] == [
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
    ]
    thought, said = events[-1]["response"]["output"]
    assert thought["summary"] == [{"type": "summary_text", "text": "Let me see."}]
    assert thought["id"] == "rs_1000"
    assert said["id"] == "msg_1001"


def test_thoughts_between_texts_make_further_items() -> None:
    response = final([ContentText("a"), ReasoningText("b"), ContentText("c"), END])
    assert [item["type"] for item in response["output"]] == ["message", "reasoning", "message"]
    assert check_response(response).output_text == "ac"


def test_a_citation_is_annotated_where_it_stands() -> None:
    cited = ContentCited(1, "[[1](https://a.example)]", (Source("https://a.example", "A"),))
    events = streamed([ContentText("See "), cited, ContentText(".")], [END])
    (event,) = [e for e in events if e["type"].endswith("annotation.added")]
    assert event["annotation"] == {
        "type": "url_citation",
        "url": "https://a.example",
        "title": "A",
        "start_index": 4,
        "end_index": 28,
    }
    assert (event["annotation_index"], event["content_index"]) == (0, 0)
    part = events[-1]["response"]["output"][0]["content"][0]
    assert part["annotations"] == [event["annotation"]]
    assert part["text"][4:28] == cited.text


def test_offsets_count_from_the_start_of_the_message() -> None:
    source = (Source("https://a.example", ""),)
    response = final(
        [
            ContentText("first"),
            ReasoningText("hm"),
            ContentText("😀 "),
            ContentCited(1, "[1]", source),
        ],
        [END],
    )
    (annotation,) = response["output"][2]["content"][0]["annotations"]
    assert (annotation["start_index"], annotation["end_index"]) == (2, 5)
    assert annotation["title"] == "https://a.example"


def test_sources_that_come_later_are_annotated_once() -> None:
    late = CitationResolved(1, (Source("https://a.example", "A"),))
    events = streamed([ContentText("x"), ContentCited(1, "", ()), late, late], [END])
    assert types_of(events).count("output_text.annotation.added") == 1


def test_sources_that_come_after_their_message_are_in_the_last_event() -> None:
    late = CitationResolved(1, (Source("https://a.example", "A"),))
    batch: list[Rendered] = [ContentText("x"), ContentCited(1, "", ()), ReasoningText("hm"), late]
    events = streamed(batch, [END])
    assert "output_text.annotation.added" not in types_of(events)
    assert len(events[-1]["response"]["output"][0]["content"][0]["annotations"]) == 1


def test_a_citation_of_nothing_before_any_text_begins_no_message() -> None:
    cited = ContentCited(1, "", (Source("https://a.example", "A"),))
    assert final([cited, END])["output"] == []


def test_a_picture_is_an_item_with_its_content() -> None:
    events = ResponseEvents(BEGUN)
    events.pictures[PICTURE.url] = "aGk="
    parts = [events.opening, events.feed_batch([ContentText("Look:"), PICTURE, ContentText("!")])]
    parts += [events.feed_batch([END]), events.finish(COUNTS)]
    seen = checked(b"".join(parts))
    at = types_of(seen).index("image_generation_call.in_progress")
    assert types_of(seen)[at - 1 : at + 4] == [
        "output_item.added",
        "image_generation_call.in_progress",
        "image_generation_call.generating",
        "image_generation_call.completed",
        "output_item.done",
    ]
    assert seen[at - 1]["item"]["result"] is None
    before, picture, after = seen[-1]["response"]["output"]
    assert picture == {
        "id": "ig_1001",
        "type": "image_generation_call",
        "status": "completed",
        "result": "aGk=",
        "revised_prompt": "a cat",
        "output_format": "png",
        "url": "http://x/images/p.png",
    }
    assert before["content"][0]["text"] + after["content"][0]["text"] == "Look:!"


def test_a_picture_whose_content_is_unknown_has_its_link() -> None:
    picture = final([PICTURE, END])["output"][0]
    assert picture["result"] is None
    assert picture["url"] == PICTURE.url


def test_a_file_is_data_beside_the_output() -> None:
    file = AssetLinked(AssetKind.FILE, "http://x/files/a.csv", "a.csv", "text/csv")
    response = final([ContentText("[a](http://x/files/a.csv)"), file, END])
    assert len(response["output"]) == 1
    assert response["x_files"] == [{"url": "http://x/files/a.csv", "name": "a.csv"}]


def test_function_calls_are_items_with_their_arguments() -> None:
    events = streamed(
        [
            ContentText("I look."),
            FunctionCallStarted(0, "call_a", "look"),
            FunctionArguments(0, '{"a"'),
        ],
        [
            FunctionArguments(0, ":1}"),
            FunctionCallStarted(1, "call_b", "see"),
            FunctionArguments(1, "{}"),
        ],
        [TextSpent(("x",), "y"), TurnEnded(Outcome.COMPLETE, "tool_calls")],
    )
    kinds = types_of(events)
    assert kinds.count("function_call_arguments.delta") == 3
    assert kinds.count("function_call_arguments.done") == 2
    response = events[-1]["response"]
    assert response["status"] == "completed"
    assert [item["type"] for item in response["output"]] == [
        "message",
        "function_call",
        "function_call",
    ]
    assert response["output"][1] == {
        "id": "fc_1001",
        "type": "function_call",
        "status": "completed",
        "call_id": "call_a",
        "name": "look",
        "arguments": '{"a":1}',
    }


@each_row(("ending", "reason"), [(LENGTH, "max_output_tokens"), (FILTERED, "content_filter")])
def test_an_answer_that_was_ended_is_incomplete(ending: TurnEnded, reason: str) -> None:
    events = streamed([ContentText("Half")], [ending])
    assert events[-1]["type"] == "response.incomplete"
    response = events[-1]["response"]
    assert response["status"] == "incomplete"
    assert response["incomplete_details"] == {"reason": reason}
    assert response["output"][0]["status"] == "incomplete"
    assert response["usage"] == USAGE


def test_a_failed_answer_keeps_the_text_that_came() -> None:
    *_, failed, error = streamed([ReasoningText("Hm."), ContentText("Half")], [CUT])
    assert failed["type"] == "response.failed"
    response = failed["response"]
    assert response["status"] == "failed"
    assert response["error"] == {"code": "upstream_cut", "message": "It was cut."}
    assert [item["status"] for item in response["output"]] == ["completed", "incomplete"]
    assert response["output"][1]["content"][0]["text"] == "Half"
    code, message = "upstream_cut", "It was cut."
    details = {"message": message, "type": "upstream_error", "param": None, "code": code}
    assert error == {
        "type": "error",
        "sequence_number": failed["sequence_number"] + 1,
        "code": code,
        "message": message,
        "param": None,
        "error": details,
    }


def test_a_failure_without_an_end_closes_what_is_open() -> None:
    events = ResponseEvents(BEGUN)
    parts = [events.opening, events.feed_batch([ContentText("Half")]), events.fail(FAILURE)]
    assert last_response(checked(b"".join(parts)))["output"][0]["status"] == "incomplete"


def test_a_cancelled_response_says_so() -> None:
    events = streamed([ContentText("Half")], [CANCELLED])
    assert events[-1]["type"] == "response.incomplete"
    response = events[-1]["response"]
    assert (response["status"], response["error"]) == ("cancelled", None)


def test_the_whole_response_is_the_one_that_ends_the_stream() -> None:
    batches: Batches = [
        [TurnFacts("conv", "msg", "gpt-4o-2024"), ReasoningText("Hm.")],
        [ContentText("a"), ContentCited(1, "[1]", (Source("https://a.example", "A"),)), PICTURE],
        [ContentText("b"), END],
    ]
    whole = ResponseEvents(BEGUN)
    for batch in batches:
        whole.take_batch(batch)
    response = msgspec.to_builtins(whole.response(COUNTS))
    assert response == streamed(*batches)[-1]["response"]
    assert response["conversation_id"] == "conv"
    assert response["upstream_model"] == "gpt-4o-2024"
    check_response(response)


def test_a_temporary_chat_names_no_conversation() -> None:
    events = ResponseEvents(BEGUN, is_temporary=True)
    events.take_batch([TurnFacts("conv", "msg", "m"), ContentText("a"), END])
    assert events.response().conversation_id is UNSET
    assert events.response().upstream_model == "m"


def test_a_response_that_is_being_written_can_be_looked_at() -> None:
    events = ResponseEvents(BEGUN)
    events.take_batch([ContentText("Half")])
    response = msgspec.to_builtins(events.response())
    assert response["status"] == "in_progress"
    assert response["output"][0]["content"][0]["text"] == "Half"
    check_response(response)


def test_silence_is_filled_with_an_empty_delta_of_what_grows() -> None:
    events = ResponseEvents(BEGUN)
    parts = [events.opening, events.keep_alive(), events.feed_batch([ReasoningText("a")])]
    parts += [events.keep_alive(), events.feed_batch([ContentText("b")]), events.keep_alive()]
    parts += [events.feed_batch([PICTURE]), events.keep_alive()]
    parts += [events.feed_batch([FunctionCallStarted(0, "c", "f")]), events.keep_alive()]
    parts += [events.feed_batch([END]), events.finish(COUNTS)]
    seen = checked(b"".join(parts))
    assert types_of(seen).count("in_progress") == 3
    empty = [event["type"] for event in seen if event.get("delta") == ""]
    assert empty == [
        "response.reasoning_summary_text.delta",
        "response.output_text.delta",
        "response.function_call_arguments.delta",
    ]


def test_neighbouring_texts_share_an_event() -> None:
    events = streamed([ContentText("a"), ContentText("b"), TurnFacts("c"), ContentText("c"), END])
    assert [e["delta"] for e in events if e["type"].endswith("text.delta")] == ["ab", "c"]


@each_row("text", ["x" * 200_000, "😀" * 40_000, "\ud83d" * 20_000])
def test_long_text_is_split_into_lines_that_every_reader_takes(text: str) -> None:
    pieces: list[Rendered] = [ReasoningText(text), ContentText(text)]
    events = parsed(stream([[*pieces, END]]))
    assert text_of(events) == text


def test_a_long_echo_is_left_out_of_the_events() -> None:
    long = begun(instructions="x" * 100_000, tools=[{"type": "web_search"}])
    events = checked(stream([[ContentText("a"), END]], long))
    assert events[0]["response"]["instructions"] is None
    assert events[0]["response"]["tools"] == []
    assert ResponseEvents(long).response().instructions == "x" * 100_000


@each_row("character", ["\u0085", "\u2028", "\u2029"])
def test_line_separators_are_escaped(character: str) -> None:
    raw = stream([[ContentText(f"é{character}x"), END]])
    assert character.encode() not in raw
    assert text_of(checked(raw)) == f"é{character}x"


def test_half_an_emoji_passes() -> None:
    assert json.loads(stream([[ContentText("\ud83d"), END]]).split(b"\n\n")[4].split(b"data: ")[1])


PIECES: st.SearchStrategy[Rendered] = st.one_of(
    st.builds(ContentText, st.text(max_size=9)),
    st.builds(ReasoningText, st.text(max_size=9)),
    st.builds(
        ContentCited,
        st.integers(0, 3),
        st.text(max_size=3),
        st.lists(st.just(Source("https://a.example", "A")), max_size=1).map(tuple),
    ),
    st.just(PICTURE),
    st.just(TurnFacts("c", "m", "s")),
    st.builds(lambda n: CitationResolved(n, (Source(f"https://{n}", ""),)), st.integers(0, 3)),
    st.builds(FunctionCallStarted, st.just(0), st.just("call_0"), st.just("f")),
)


@pytest.mark.whole
@FAST
@given(st.lists(st.lists(PIECES, max_size=6), max_size=6), st.sampled_from([END, LENGTH, CUT]))
def test_any_answer_is_a_sequence_that_readers_accept(batches: Batches, end: TurnEnded) -> None:
    calls = 0
    for batch in batches:  # the SDK holds calls of one id for one
        for at, piece in enumerate(batch):
            if isinstance(piece, FunctionCallStarted):
                calls += 1
                batch[at] = FunctionCallStarted(calls, f"call_{calls}", "f")
    events = checked(stream([*batches, [end]]))
    text = "".join(p.text for b in batches for p in b if isinstance(p, ContentText | ContentCited))
    assert text_of(events) == text
