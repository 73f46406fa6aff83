from collections.abc import Iterable

from service.stages.function_calls.call_block import CallBlock
from service.stages.function_calls.call_shapes import WrittenCall
from service.stages.function_calls.take_calls import TakeCalls
from service.vocabulary.events import (
    AnswerBlock,
    AnswerStarted,
    AnswerText,
    Cited,
    Delta,
    Outcome,
    ReasoningText,
    ToolCallText,
    ToolResult,
    TurnEnded,
    TurnFacts,
)

CALL = '<tool_call>{"name": "add", "arguments": {"a": 1}}</tool_call>'
BLOCK = CallBlock(CALL, (WrittenCall("add", '{"a":1}'),))
END = TurnEnded(Outcome.COMPLETE, "stop")


def taken(deltas: Iterable[Delta]) -> list[Delta | CallBlock]:
    take = TakeCalls(["add"])
    return [piece for delta in deltas for piece in take.feed(delta)]


def test_a_call_is_taken_out_of_the_answer() -> None:
    assert taken([AnswerStarted("m"), AnswerText(f"So. {CALL}"), END]) == [
        AnswerStarted("m"),
        AnswerText("So."),
        BLOCK,
        END,
    ]


def test_code_and_results_of_the_upstreams_own_tools_are_no_calls() -> None:
    deltas: list[Delta] = [ToolCallText("t", "python", CALL), ToolResult(CALL), END]
    assert taken(deltas) == deltas


def test_reasoning_is_no_call_and_does_not_wait_for_one() -> None:
    out = taken([AnswerText(CALL[:20]), ReasoningText(CALL), TurnFacts("c"), AnswerText(CALL[20:])])
    assert out == [ReasoningText(CALL), TurnFacts("c"), BLOCK]


def test_a_call_ends_with_its_message() -> None:
    out = taken([AnswerText(CALL[:30]), AnswerStarted("b"), AnswerText(CALL[30:]), END])
    first, started, text, end = out
    assert isinstance(first, CallBlock)
    assert first.problem
    assert (started, text, end) == (AnswerStarted("b"), AnswerText(CALL[30:]), END)


def test_a_citation_keeps_its_place_in_text_and_is_text_in_a_call() -> None:
    cited = Cited(1, "[[1](u)]", ())
    assert taken([AnswerText("So \n"), cited, AnswerText('\n{"x": 1}'), END]) == [
        AnswerText("So"),
        AnswerText(" \n"),
        cited,
        AnswerText('\n{"x": 1}'),
        END,
    ]
    head, tail = CALL.split("1")
    [block] = taken([AnswerText(f'{head}"'), cited, AnswerText(f'"{tail}')])
    assert isinstance(block, CallBlock)
    assert block.calls[0].arguments == '{"a":"[[1](u)]"}'


def test_a_word_of_the_sentence_is_a_word_in_a_call_and_a_block_ends_what_was_held() -> None:
    head, tail = CALL.split("1")
    [block] = taken([AnswerText(f'{head}"'), Cited(1, "[A](u)", (), "A"), AnswerText(f'"{tail}')])
    assert isinstance(block, CallBlock)
    assert block.calls[0].arguments == '{"a":"A"}'
    document = AnswerBlock("d", "markdown", CALL, "T", is_document=True)
    assert taken([AnswerText("<tool"), document]) == [AnswerText("<tool"), document]
