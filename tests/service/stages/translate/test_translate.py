"""Rules that need two events to see; whole turns are in `tests/transcripts/`."""

from typing import Any

from service.stages.decode.messages import read_message
from service.stages.markup.references import ReferencesKnown
from service.stages.translate.translate import Translate
from service.vocabulary.events import (
    AnswerBlock,
    AnswerStarted,
    AnswerText,
    AssetWanted,
    BodyEnd,
    BodyEnded,
    ConversationNamed,
    Delta,
    DoneReceived,
    HandedOff,
    InputEchoed,
    Message,
    MessageSnapshot,
    ModelNamed,
    Moderated,
    Notice,
    Outcome,
    ReasoningText,
    ResumeOffered,
    ResumeWanted,
    SentHistory,
    TextAppended,
    ToolCallText,
    ToolResult,
    TurnEnded,
    TurnFacts,
    UpstreamEvent,
)

DONE = {"status": "finished_successfully", "end_turn": True}
FINISHED = {"status": "finished_successfully"}


def message(
    message_id: str, text: str = "", role: str = "assistant", kind: str = "text", **fields: Any
) -> MessageSnapshot:
    content = {"content_type": kind, "parts": [text], "text": text, **fields.pop("content", {})}
    raw = {"status": "in_progress", **fields, "id": message_id, "content": content}
    read = read_message({**raw, "author": {"role": role}})
    assert isinstance(read, Message)
    return MessageSnapshot(read)


def fed(*events: UpstreamEvent, sent: SentHistory | None = None) -> list[Delta]:
    translate = Translate(sent or SentHistory())
    return [delta for event in events for delta in translate.feed(event)]


def texts(*events: UpstreamEvent, sent: SentHistory | None = None) -> str:
    return "".join(d.text for d in fed(*events, sent=sent) if isinstance(d, AnswerText))


def ended(*events: UpstreamEvent) -> TurnEnded:
    last = fed(*events)[-1]
    assert isinstance(last, TurnEnded)
    return last


def test_an_answer_is_its_growth_and_its_facts() -> None:
    deltas = fed(
        ConversationNamed("c"),
        message("a"),
        message("a", "He"),
        TextAppended("a", "llo"),
        message("a", "Hello", metadata={"model_slug": "s"}, **DONE),
        DoneReceived(),
    )
    assert deltas == [
        TurnFacts("c"),
        AnswerStarted("a"),
        TurnFacts("c", "a"),
        AnswerText("He"),
        AnswerText("llo"),
        TurnFacts("c", "a", "s"),
        TurnEnded(Outcome.COMPLETE, "stop"),
    ]


def test_echoes_are_known_by_id_and_by_input_message() -> None:
    sent = SentHistory(message_ids=frozenset({"h"}))
    assert texts(message("h", "old", **DONE), InputEchoed("i"), message("i", "x"), sent=sent) == ""


def test_an_equal_text_is_an_echo_only_when_finished_from_the_start_and_before_any_growth() -> None:
    sent = SentHistory(assistant_texts=frozenset({"Yes."}))
    whole = message("a", "Yes.", **DONE)
    assert texts(whole, sent=sent) == ""
    assert texts(message("a"), whole, sent=sent) == "Yes."
    assert (
        texts(message("b", "So:"), message("x", "t", recipient="py"), whole, sent=sent) == "So:Yes."
    )
    marked = message("a", "Yes.", metadata={"message_type": "next"}, **DONE)
    assert texts(marked, sent=sent) == "Yes."


def test_the_first_text_wins_and_the_other_variant_stays_out() -> None:
    alternating = (
        message("a"),
        message("b"),
        TextAppended("a", "A1"),
        TextAppended("b", "B1"),
        message("a", "A1", **DONE),
        TextAppended("b", "B2"),
    )
    assert texts(*alternating) == "A1"


def test_an_empty_message_before_the_answer_takes_nothing_from_it() -> None:
    assert texts(message("a"), message("b"), TextAppended("b", "B")) == "B"


def test_a_tool_call_grows_and_says_when_it_is_done() -> None:
    call = {"kind": "code", "recipient": "python", "content": {"language": "python"}}
    deltas = fed(message("t", "pri", **call), message("t", "print()", **call, **FINISHED))
    assert deltas == [
        ToolCallText("t", "python", "pri"),
        ToolCallText("t", "python", "nt()", is_last=True),
    ]


def test_a_message_that_turns_out_to_be_a_call_is_never_answer_text() -> None:
    deltas = fed(
        message("t", content={"parts": [], "text": "secret"}),
        message("t", "secret", kind="code", recipient="python"),
    )
    assert deltas == [ToolCallText("t", "", "secret")]


def test_a_result_is_given_out_whole_when_done_or_when_another_piece_comes() -> None:
    half = message("r", "1", role="tool", kind="execution_output")
    whole = message("r", "12", role="tool", kind="execution_output", **FINISHED)
    assert fed(half, whole, whole) == [ToolResult("12")]
    assert fed(half, message("a", "x"))[0] == ToolResult("1")
    assert fed(half, BodyEnded(BodyEnd.CUT))[0] == ToolResult("1")


def test_reasoning_of_several_messages_is_separated() -> None:
    deltas = fed(message("r", "one", channel="analysis"), message("s", "two", channel="commentary"))
    assert deltas == [ReasoningText("one"), ReasoningText("\n\ntwo")]


def test_references_come_before_the_text_they_came_with_and_only_when_they_change() -> None:
    page = {"metadata": {"url": "u", "extra": {"cited_message_idx": 1}}}
    cited = message("a", "x【1†s】", metadata={"citations": [page]})
    deltas = fed(cited, cited)
    assert [type(d) for d in deltas] == [ReferencesKnown, AnswerStarted, TurnFacts, AnswerText]


def picture(message_id: str, pointer: str, height: int = 8, **fields: Any) -> MessageSnapshot:
    part = {"asset_pointer": pointer, "metadata": {"generation": {"height": height}}, "height": 8}
    content = {"parts": [part]}
    return message(message_id, role="tool", kind="multimodal_text", content=content, **fields)


def wanted(deltas: list[Delta]) -> list[str]:
    return [d.pointer for d in deltas if isinstance(d, AssetWanted)]


def test_a_picture_is_asked_for_once_under_either_scheme() -> None:
    deltas = fed(
        picture("p", "sediment://x", **FINISHED), picture("q", "file-service://x", **FINISHED)
    )
    assert wanted(deltas) == ["sediment://x"]


def test_a_preview_is_replaced_by_the_last_revision_or_taken_at_the_end() -> None:
    preview = picture("p", "sediment://small", height=4, **FINISHED)
    final = picture("p", "sediment://big", **FINISHED)
    assert wanted(fed(preview, final, DoneReceived())) == ["sediment://big"]
    assert wanted(fed(preview, DoneReceived())) == ["sediment://small"]


def test_a_preview_is_asked_for_once_where_it_is_looked_at() -> None:
    preview = picture("p", "sediment://small", height=4, **FINISHED)
    final = picture("p", "sediment://big", **FINISHED)
    sent = SentHistory(wants_previews=True)
    deltas = fed(preview, preview, final, DoneReceived(), sent=sent)
    asked = [(one.pointer, one.is_preview) for one in deltas if isinstance(one, AssetWanted)]
    assert asked == [("sediment://small", True), ("sediment://big", False)]
    assert wanted(fed(preview, DoneReceived(), sent=sent)) == ["sediment://small"] * 2


def test_a_picture_names_the_message_that_one_goes_on_from() -> None:
    deltas = fed(picture("p", "sediment://x", **FINISHED))
    assert [one.message_id for one in deltas if isinstance(one, TurnFacts)] == ["p"]


def test_a_picture_that_we_uploaded_is_not_an_output() -> None:
    sent = SentHistory(file_ids=frozenset({"x"}))
    assert wanted(fed(picture("p", "sediment://x", **FINISHED), sent=sent)) == []


def test_words_that_are_not_known_are_counted_once_for_each_message() -> None:
    fields = {"kind": "hologram", "channel": "aside"}
    end = ended(
        message("h1", "PRIVATE", **fields),
        message("h1", "PRIVATE more", **fields),
        message("h1", recipient="x9f.draw", status="finished_successfully", **fields),
        message("h2", **fields),
        message("a1", "Hi", status="finished_successfully", end_turn=True),
        BodyEnded(BodyEnd.CLEAN),
    )
    assert end.counts == {"content type hologram": 2, "channel aside": 2, "recipient x9f.draw": 1}
    assert "PRIVATE" not in str(end.samples)
    assert end.samples.keys() == end.counts.keys()


def test_a_wanted_consent_ends_the_turn_with_one_line() -> None:
    asks = {"jit_plugin_data": {"from_server": {"type": "confirm_action", "body": {}}}}
    notice, end = fed(message("t", role="tool", metadata=asks), message("a", "never"))
    assert isinstance(notice, Notice)
    assert end == TurnEnded(Outcome.COMPLETE, "stop")


def test_half_a_character_that_ends_an_answer_comes_when_no_other_half_can() -> None:
    half = message("a", "x\ud83d", **FINISHED)
    assert texts(half, TextAppended("a", "\ude00"), DoneReceived()) == "x😀"
    other = message("b", "y", **DONE)
    assert texts(half, other, DoneReceived()) == "x\ud83dy"
    assert texts(message("a", "\ud83d", **DONE), DoneReceived()) == "\ud83d"
    code = message("b", "1", kind="code", recipient="all", **DONE)
    told = [delta for delta in fed(half, code) if isinstance(delta, AnswerText | AnswerBlock)]
    assert [delta.text for delta in told] == ["x", "\ud83d", "1"]


def test_the_model_of_the_stream_counts_until_a_message_names_its_own() -> None:
    facts = [d for d in fed(ModelNamed("s"), ModelNamed("t")) if isinstance(d, TurnFacts)]
    assert [f.upstream_model for f in facts] == ["s"]


def test_a_block_ends_the_turn_as_filtered() -> None:
    assert ended(message("a", "x"), Moderated(True)).finish_reason == "content_filter"
    assert fed(Moderated(False)) == []


def test_a_pending_hand_off_is_asked_to_be_followed_and_a_finished_turn_is_not() -> None:
    start = (ConversationNamed("c"), ResumeOffered("secret"), HandedOff())
    assert fed(*start, DoneReceived())[-1] == ResumeWanted("c", "secret")
    assert "secret" not in repr(fed(*start, DoneReceived()))
    assert ended(*start, message("a", "x", **DONE), DoneReceived()).outcome is Outcome.COMPLETE
    again = (*start, DoneReceived(), message("a", "x", **DONE), DoneReceived())
    assert ended(*again).outcome is Outcome.COMPLETE


def test_a_replay_after_a_hand_off_gives_nothing_twice() -> None:
    first = (HandedOff(), message("a"), TextAppended("a", "Hello"), DoneReceived())
    second = (message("a"), TextAppended("a", "Hel"), TextAppended("a", "lo you"))
    assert texts(*first, *second) == "Hello you"


def test_nothing_comes_after_the_end() -> None:
    assert len(fed(DoneReceived(), message("a", "x"), DoneReceived())) == 1
