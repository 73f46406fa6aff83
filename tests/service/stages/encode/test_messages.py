import json

from service.stages.encode.message_blocks import Thinking
from service.stages.encode.message_ids import SIGNATURE_PREFIX, upstream_call_id
from service.stages.encode.messages import MessageEvents, MessageMeta, MessageReply
from service.vocabulary.events import (
    Failure,
    FunctionArguments,
    FunctionCallStarted,
    Outcome,
    ReasoningText,
    Source,
    TurnEnded,
    TurnFacts,
)
from service.vocabulary.rendered import ContentCited, ContentText, Rendered, TokenCounts
from service.vocabulary.wire import to_json
from tests.message_events import Read
from tests.rows import each_row

END = TurnEnded(Outcome.COMPLETE, "stop")
CALLED = TurnEnded(Outcome.COMPLETE, "tool_calls")
COUNTS = TokenCounts(5, 7, 2)
THOUGHT = Thinking(is_shown=True)
HIDDEN = Thinking(is_shown=True, has_words=False)
CUT = Failure(502, "It was cut.", "upstream_error", "upstream_cut")
CALLS: list[Rendered] = [
    FunctionCallStarted(0, "call_a|b:1", "add"),
    FunctionArguments(0, '{"b": 2,'),
    FunctionArguments(0, ' "a": 1}'),
    FunctionCallStarted(1, "call_2", "noop"),
]
SCENES: dict[str, list[list[Rendered]]] = {
    "text": [[TurnFacts("c", "m", "slug")], [ContentText("Hel")], [ContentText("lo\u2028"), END]],
    "thought": [[ReasoningText("Hm.")], [ReasoningText(" So.")], [ContentText("Yes."), END]],
    "calls": [[ContentText("\n\n"), *CALLS], [CALLED]],
    "text and calls": [[ContentText(" I add."), ContentText("\n"), *CALLS, CALLED]],
    "cited": [[ContentText("a"), ContentCited(1, "[1]", (Source("https://a.example", "A"),)), END]],
    "cut off": [[ContentText("a"), TurnEnded(Outcome.LENGTH, "length")]],
    "nothing, cut off": [[TurnEnded(Outcome.LENGTH, "length")]],
    "stopped": [[ContentText("a"), TurnEnded(Outcome.COMPLETE, "stop", stop_sequence="END")]],
    "blocked": [[TurnEnded(Outcome.FILTERED, "content_filter")]],
    "blocked later": [[ContentText("a"), TurnEnded(Outcome.FILTERED, "content_filter")]],
    "long": [[ContentText("é" * 40_000), END]],
    "half a character": [[ContentText("a\ud83d"), END]],
}


def meta(thinking: Thinking = THOUGHT, query: str = "") -> MessageMeta:
    return MessageMeta(
        "msg_0123456789abcdef", "claude-x", "req_1", 9, thinking=thinking, search_query=query
    )


def streamed(batches: list[list[Rendered]], about: MessageMeta | None = None) -> Read:
    events = MessageEvents(about or meta())
    parts = [events.opening, *(events.feed_batch(batch) for batch in batches)]
    return Read(b"".join([*parts, events.finish(COUNTS)]))


@each_row("thinking", [Thinking(), THOUGHT, HIDDEN])
@each_row("scene", SCENES.values(), ids=SCENES)
def test_25_the_whole_reply_is_what_the_stream_adds_up_to(
    scene: list[list[Rendered]], thinking: Thinking
) -> None:
    reply = MessageReply(meta(thinking))
    for batch in scene:
        reply.take_batch(batch)
    assert reply.failure is None
    assert json.loads(to_json(reply.message(COUNTS))) == streamed(scene, meta(thinking)).whole


def test_the_blocks_of_a_message_are_in_order() -> None:
    assert streamed(SCENES["thought"]).kinds == ["thinking", "text"]
    assert streamed(SCENES["text and calls"]).kinds == ["text", "tool_use", "tool_use"]
    assert streamed(SCENES["text"]).text == "Hello\u2028"


@each_row(
    ("scene", "reason"),
    [
        ("text", "end_turn"),
        ("calls", "tool_use"),
        ("cut off", "max_tokens"),
        ("nothing, cut off", "max_tokens"),
        ("stopped", "stop_sequence"),
        ("blocked", "refusal"),
        ("blocked later", "refusal"),
    ],
)
def test_36_an_end_has_its_reason(scene: str, reason: str) -> None:
    stop = streamed(SCENES[scene]).stop
    assert stop["stop_reason"] == reason
    assert stop["stop_sequence"] == ("END" if reason == "stop_sequence" else None)
    assert ("stop_details" in stop) is (reason == "refusal")


def test_26_white_space_alone_is_no_block() -> None:
    """A8 26: a block of text has visible text, and white space before it is kept."""
    assert streamed(SCENES["calls"]).kinds == ["tool_use", "tool_use"]
    assert streamed([[ContentText(" \n")], [ContentText("a"), END]]).text == " \na"


@each_row("said", [[], [ContentText(" ")], [ReasoningText("Hm.")]])
def test_26_an_answer_with_nothing_to_see_is_an_error(said: list[Rendered]) -> None:
    assert streamed([[*said, END]]).error is not None
    reply = MessageReply(meta())
    reply.take_batch([*said, END])
    assert reply.failure is not None
    assert reply.failure.status == 502


def test_10_ids_of_calls_are_their_own_and_lead_back() -> None:
    first, second = streamed(SCENES["calls"]).content
    assert upstream_call_id(first["id"]) == "call_a|b:1"
    assert first["id"] != second["id"]
    assert list(first["input"]) == ["b", "a"]  # A8 13: as the model wrote them
    assert second["input"] == {}


def test_27_thoughts_are_shown_to_whoever_asks() -> None:
    """A8 27: only when asked for; with an empty text if to be left out; always signed."""
    assert streamed(SCENES["thought"], meta(Thinking())).kinds == ["text"]
    for thinking, text in ((THOUGHT, "Hm. So."), (HIDDEN, "")):
        block = streamed(SCENES["thought"], meta(thinking)).content[0]
        assert block == {"type": "thinking", "thinking": text, "signature": SIGNATURE_PREFIX}


def test_16_usage_is_told_twice_and_adds_up() -> None:
    read = streamed(SCENES["text"])
    assert read.message["usage"]["input_tokens"] == 9
    usage = read.usage
    cached = usage["cache_creation_input_tokens"] + usage["cache_read_input_tokens"]
    assert (usage["input_tokens"] + cached, usage["output_tokens"]) == (5, 7)


@each_row(
    ("said", "stops"),
    [
        ([], 0),
        ([ContentText("Hel")], 1),
        ([ReasoningText("Hm.")], 1),
        ([FunctionCallStarted(0, "c", "add"), FunctionArguments(0, '{"a"')], 0),
    ],
)
def test_17_a_failure_ends_the_stream_without_an_end(said: list[Rendered], stops: int) -> None:
    """A8 17: the open block is stopped, except an unfinished call, which must not be made."""
    events = MessageEvents(meta())
    read = Read(events.opening + events.feed_batch(said) + events.fail(CUT))
    assert read.error == {
        "type": "error",
        "error": {"type": "api_error", "message": "It was cut."},
        "request_id": "req_1",
    }
    kinds = [event["type"] for event in read.events]
    assert kinds.count("content_block_stop") == stops
    assert "message_delta" not in kinds


def test_23_a_refusal_of_the_upstreams_is_an_answer() -> None:
    """A8 23, A9.8: its words are the text and the explanation."""
    events = MessageEvents(meta())
    refused = Failure(400, "Flagged.", "invalid_request_error", "content_policy_violation")
    read = Read(events.opening + events.fail(refused))
    assert read.text == "Flagged."
    assert read.stop["stop_details"]["explanation"] == "Flagged."


def test_22_too_long_a_prompt_is_told_in_words_that_clients_act_on() -> None:
    events = MessageEvents(meta())
    overflow = Failure(400, "…", "invalid_request_error", "context_length_exceeded")
    error = Read(events.opening + events.fail(overflow)).error
    assert error is not None
    assert error["error"]["type"] == "invalid_request_error"
    assert error["error"]["message"].startswith("prompt is too long: 128001 tokens > 128000 max")


@each_row(
    ("thinking", "kind", "delta"),
    [(Thinking(), "text", "text_delta"), (THOUGHT, "thinking", "thinking_delta")],
)
def test_20_a_sign_of_life_is_a_ping_and_an_empty_delta(
    thinking: Thinking, kind: str, delta: str
) -> None:
    """A8 20, A9.6: in the open block, else in a new one, which the answer continues."""
    events = MessageEvents(meta(thinking))
    parts = [events.opening, events.keep_alive(), events.keep_alive()]
    parts += [events.feed_batch([ContentText("a")]), events.keep_alive()]
    parts += [events.feed_batch(CALLS), events.keep_alive(), events.feed_batch([CALLED])]
    read = Read(b"".join([*parts, events.finish(COUNTS)]))
    assert read.kinds == [*dict.fromkeys([kind, "text"]), "tool_use", "tool_use"]
    deltas = [e["delta"]["type"] for e in read.events if e["type"] == "content_block_delta"]
    assert deltas[:2] == [delta, delta]
    assert [e["type"] for e in read.events].count("ping") == 5


def test_text_of_the_fast_lane_is_as_any_other() -> None:
    events = MessageEvents(meta())
    parts = [events.opening, events.feed_batch([ReasoningText("Hm.")])]
    for text in (" ", "Hel", "lo", "!" * 12_000):
        parts.append(events.text(text))
        events.gather([ContentText(text)])
    parts += [events.feed_batch([END]), events.finish(COUNTS)]
    read = Read(b"".join(parts))
    assert read.text == events.gathered.content == f" Hello{'!' * 12_000}"
    assert read.kinds == ["thinking", "text"]


def test_34_a_search_that_was_asked_for_is_told_in_blocks_of_its_own() -> None:
    read = streamed(SCENES["cited"], meta(query="boats"))
    assert read.kinds == ["text", "server_tool_use", "web_search_tool_result"]
    _, search, found = read.content
    assert search["input"] == {"query": "boats"}
    assert search["id"] == found["tool_use_id"]
    assert search["id"].startswith("srvtoolu_")
    assert [(page["url"], page["title"]) for page in found["content"]] == [
        ("https://a.example", "A")
    ]
    assert read.usage["server_tool_use"] == {"web_search_requests": 1, "web_fetch_requests": 0}
    assert streamed(SCENES["cited"]).kinds == ["text"]
