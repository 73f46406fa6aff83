"""The progress of messages, and echoes (spec 6.2)."""

from typing import Any

from service.stages.decode.messages import MessageKind, read_message
from service.stages.translate.progress import Echoes, Progress
from service.vocabulary.events import Message, SentHistory
from tests.rows import each_row


def message(**fields: Any) -> Message:
    raw = {"id": "m", "author": {"role": "assistant"}, "status": "finished_successfully"}
    content = {"content_type": "text", "parts": ["Yes."]}
    read = read_message({**raw, "content": content, **fields})
    assert read is not None
    return read


@each_row(
    ("fields", "is_first", "is_echo"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"status": "in_progress"}, True, False),
        ({"metadata": {"message_type": "next"}}, True, False),
        ({"author": {"role": "user"}}, True, False),
        ({"id": "h1"}, False, True),
        ({"id": "i1"}, False, True),
    ],
)
def test_an_echo_is_known_by_its_id_or_as_a_text_that_begins_finished(
    fields: dict[str, Any], is_first: bool, is_echo: bool
) -> None:
    echoes = Echoes(SentHistory(frozenset({"h1"}), frozenset({"Yes."})))
    echoes.add("i1")
    assert echoes.has(message(**fields), is_first=is_first) is is_echo


@each_row(
    ("fields", "kind", "is_tool"),
    [
        ({}, MessageKind.ANSWER, False),
        ({"recipient": "web"}, MessageKind.TOOL_CALL, True),
        ({"author": {"role": "tool"}}, MessageKind.HIDDEN, True),
        ({"author": {"role": "user"}}, MessageKind.HIDDEN, False),
        ({"channel": "analysis"}, MessageKind.REASONING, False),
    ],
)
def test_calls_and_what_tools_say_are_of_tools(
    fields: dict[str, Any], kind: MessageKind, is_tool: bool
) -> None:
    progress = Progress()
    progress.take(message(**fields))
    assert (progress.kind, progress.is_tool) == (kind, is_tool)


def test_an_answer_has_begun_until_something_is_out() -> None:
    progress = Progress()
    progress.take(message())
    assert progress.is_begun
    progress.has_text = True
    assert not progress.is_begun


def test_a_word_that_is_not_known_is_new_once() -> None:
    progress = Progress()
    assert progress.new_words(["a", "b"]) == ["a", "b"]
    assert progress.new_words(["b", "c"]) == ["c"]


def growing() -> Progress:
    progress = Progress()
    progress.kind = MessageKind.ANSWER
    progress.growth.append("It")
    progress.has_text = True
    return progress


def test_an_answer_grows_while_a_part_of_it_is_out_and_more_may_come() -> None:
    assert growing().is_growing
    assert not Progress().is_growing
    for change in ("is_dropped", "is_finished"):
        progress = growing()
        setattr(progress, change, True)
        assert not progress.is_growing


def test_no_other_message_and_none_that_turned_back_counts_as_growing() -> None:
    progress = growing()
    progress.growth.replace("I")
    assert not progress.is_growing
    call = growing()
    call.kind = MessageKind.TOOL_CALL
    assert not call.is_growing


def test_a_text_is_withheld_while_none_of_it_is_out_and_that_of_a_dropped_message_ever() -> None:
    progress = growing()
    assert not progress.is_withheld
    progress.has_text = False
    assert progress.is_withheld
    dropped = Progress()
    assert not dropped.is_withheld
    dropped.is_dropped = True
    assert dropped.is_withheld
