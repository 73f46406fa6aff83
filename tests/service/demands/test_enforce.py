"""Enforced demands: the answer is checked and asked for once more, over scripted turns."""

import asyncio
from dataclasses import dataclass, field

import pytest

from service.demands.enforce import enforced
from service.ports import DeltaSink
from service.sink import put
from service.vocabulary.credentials import Credential
from service.vocabulary.errors import QueueFullError, ServiceError
from service.vocabulary.events import (
    AnswerBlock,
    AnswerStarted,
    AnswerText,
    Cited,
    Delta,
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
from service.vocabulary.native import FunctionCallEnded
from service.vocabulary.requests import (
    ChatMessage,
    ChatRequest,
    Demand,
    Function,
    JsonFormat,
    Profile,
    TextPart,
)
from tests.rows import each_row
from tests.sinks import Kept

END = TurnEnded(Outcome.COMPLETE, "stop")
CUT = TurnEnded(Outcome.CUT, None, Failure(502, "It was cut.", "upstream_error", "upstream_cut"))
LENGTH = TurnEnded(Outcome.LENGTH, "length")
FACTS = TurnFacts("conv", "msg")
NUMBER = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
ADD = Function("add", "tools[0].function.parameters", "", NUMBER)
CALLING = Demand((ADD,))
DUE = Demand((ADD,), must_call=True)
WRITING = Demand(json_format=JsonFormat("response_format"))
EITHER = Demand((ADD,), json_format=JsonFormat("response_format"))
CALL = '<tool_call>{"name": "add", "arguments": {"a": 1}}</tool_call>'
BAD = '<tool_call>{"name": "add", "arguments": {}}</tool_call>'
QUESTION = ChatMessage("user", (TextPart("2+2?"),))


@dataclass
class Turns:
    """Each turn plays the next script; an error is raised before the first batch."""

    scripts: list[list[list[Delta]] | ServiceError]
    requests: list[ChatRequest] = field(default_factory=list)
    closed: int = 0

    async def run(self, request: ChatRequest, credential: Credential, sink: DeltaSink) -> None:
        assert credential.token == "fk-x"
        self.requests.append(request)
        script = self.scripts[len(self.requests) - 1]
        try:
            if isinstance(script, ServiceError):
                raise script
            for batch in script:
                await put(sink, batch)
        finally:
            self.closed += 1

    async def drain(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def says(*texts: str, end: TurnEnded = END) -> list[list[Delta]]:
    return [[FACTS, AnswerStarted("m")], *([AnswerText(text)] for text in texts), [end]]


async def answered(
    turns: Turns, demand: Demand, *, is_kept: bool = True
) -> tuple[list[list[Delta]], list[Delta]]:
    """Return the batches, and all their deltas except names, starts and spent text."""
    chat = ChatRequest(
        request_id="r",
        model="m",
        messages=(QUESTION,),
        is_stream=True,
        is_usage_wanted=False,
        profile=Profile.WEB,
        public_url="",
        received_at=0,
        demand=demand,
    )
    sink = Kept()
    await enforced(turns, chat, demand, Credential("fk-x"), sink, is_kept=is_kept)
    batches = sink.batches
    assert turns.closed == len(turns.requests)
    aside = (TurnFacts, AnswerStarted, TextSpent)
    return batches, [piece for batch in batches for piece in batch if not isinstance(piece, aside)]


def call_of(pieces: list[Delta]) -> tuple[str, str]:
    started, arguments, ended = pieces[-4:-1]
    assert ended == FunctionCallEnded(0)
    assert isinstance(started, FunctionCallStarted)
    assert isinstance(arguments, FunctionArguments)
    assert len(started.call_id) == len("call_") + 24
    return started.name, arguments.text


async def test_words_pass_at_once_where_nothing_is_due() -> None:
    turns = Turns([says("Hello", " you")])
    batches, pieces = await answered(turns, CALLING)
    assert pieces == [AnswerText("Hello"), AnswerText(" you"), END]
    assert batches[1] == [AnswerText("Hello")]


async def test_a_call_ends_the_answer_as_tool_calls() -> None:
    _, pieces = await answered(Turns([says("See. ", CALL)]), CALLING)
    assert pieces[0] == AnswerText("See.")
    assert call_of(pieces) == ("add", '{"a":1}')
    assert pieces[-1] == TurnEnded(Outcome.COMPLETE, "tool_calls")


async def test_a_correction_goes_alone_into_the_conversation_that_is_kept() -> None:
    turns = Turns([says("See. ", BAD), says("Sorry! ", CALL)])
    batches, pieces = await answered(turns, CALLING)
    assert call_of(pieces) == ("add", '{"a":1}')
    again = turns.requests[1]
    assert (again.conversation_id, again.parent_message_id) == ("conv", "msg")
    [correction] = again.messages
    assert "'a' is a required property" in correction.text
    [spent] = [piece for batch in batches for piece in batch if isinstance(piece, TextSpent)]
    assert spent == TextSpent((correction.text,), BAD)


async def test_a_correction_takes_the_history_along_where_nothing_is_kept() -> None:
    turns = Turns([says("See. ", BAD), says(CALL)])
    await answered(turns, CALLING, is_kept=False)
    again = turns.requests[1]
    assert (again.conversation_id, again.parent_message_id) == (None, None)
    question, said, _ = again.messages
    assert question == QUESTION
    assert (said.role, said.text) == ("assistant", f"See.{BAD}")


@each_row(
    ("demand", "text", "code"),
    [
        (CALLING, BAD, "tool_use_failed"),
        (DUE, "No.", "tool_use_failed"),
        (WRITING, "No.", "json_validate_failed"),
        (EITHER, "No.", "json_validate_failed"),
    ],
)
async def test_an_answer_that_will_not_do_twice_is_a_failure_and_stays_out(
    demand: Demand, text: str, code: str
) -> None:
    batches, [ended] = await answered(Turns([says(text), says(text)]), demand)
    assert isinstance(ended, TurnEnded)
    assert ended.failure is not None
    assert (ended.failure.status, ended.failure.code) == (400, code)
    assert (ended.outcome, ended.finish_reason) == (Outcome.FAILED, None)
    assert TextSpent((), text) in batches[-1]


async def test_text_is_held_where_a_call_is_due() -> None:
    turns = Turns([says("I would say ", "4."), says(CALL)])
    _, pieces = await answered(turns, DUE)
    assert [type(piece) for piece in pieces] == [
        FunctionCallStarted,
        FunctionArguments,
        FunctionCallEnded,
        TurnEnded,
    ]


async def test_json_is_told_whole_without_what_stands_around_it() -> None:
    source = Cited(1, "[[1](u)]", (Source("u", "t"),))
    script: list[list[Delta]] = [
        [FACTS, ReasoningText("Hm.")],
        [AnswerText("```json\n{"), source, AnswerText("}\n```"), END],
    ]
    batches, pieces = await answered(Turns([script]), WRITING)
    assert batches[0] == [FACTS, ReasoningText("Hm.")]
    assert pieces[1:] == [AnswerText("{}"), source, END]


async def test_a_word_of_the_sentence_is_a_word_of_the_json() -> None:
    ada = Cited(1, "Ada", (), "Ada")
    script: list[list[Delta]] = [[FACTS, AnswerText('{"by": "'), ada, AnswerText('"}'), END]]
    _, pieces = await answered(Turns([script]), WRITING)
    assert pieces == [AnswerText('{"by": "Ada"}'), Cited(1, "Ada", ()), END]


async def test_code_to_the_reader_is_text_and_a_document_is_none_of_the_json() -> None:
    document = AnswerBlock("d", "markdown", "Row", "Song", is_document=True)
    script: list[list[Delta]] = [[FACTS, document, AnswerBlock("m", "json", '{"boats": 2}'), END]]
    _, pieces = await answered(Turns([script]), WRITING)
    assert pieces == [AnswerText('{"boats": 2}'), END]
    call = AnswerBlock("m", "json", '{"name": "add", "arguments": {"a": 1}}')
    _, pieces = await answered(Turns([[[FACTS, document, call, END]]]), CALLING)
    assert pieces[0] == document
    assert call_of(pieces) == ("add", '{"a":1}')


async def test_calls_or_json_as_the_model_sees_fit() -> None:
    _, pieces = await answered(Turns([says("See. ", CALL)]), EITHER)
    assert call_of(pieces) == ("add", '{"a":1}')
    assert AnswerText("See.") not in pieces
    _, pieces = await answered(Turns([says("{}")]), EITHER)
    assert pieces == [AnswerText("{}"), END]


@each_row("end", [CUT, LENGTH])
async def test_what_was_held_of_an_answer_that_did_not_end_is_text(end: TurnEnded) -> None:
    for demand, text in ((WRITING, '{"a": '), (CALLING, CALL)):
        turns = Turns([says(text, end=end)])
        _, pieces = await answered(turns, demand)
        assert pieces == [AnswerText(text), end]
        second = Turns([says("{x"), says(text, end=end)])
        _, pieces = await answered(second, WRITING)
        assert pieces == [AnswerText(text), end]


async def test_a_second_turn_that_cannot_begin_is_a_failure_in_order() -> None:
    error = QueueFullError("Too many wait.", retry_after_seconds=3)
    _, pieces = await answered(Turns([says("Hm. ", BAD), error]), CALLING)
    assert pieces == [AnswerText("Hm."), TurnEnded(Outcome.FAILED, None, error.failure())]


async def test_a_first_turn_that_cannot_begin_raises() -> None:
    with pytest.raises(QueueFullError):
        await answered(Turns([QueueFullError("Too many wait.")]), CALLING)


async def test_a_second_answer_in_words_is_one_where_words_will_do() -> None:
    _, pieces = await answered(Turns([says("Hm. ", BAD), says("It is 4.")]), CALLING)
    assert pieces == [AnswerText("Hm."), AnswerText("It is 4."), END]


async def test_an_answer_that_cannot_be_checked_is_not_asked_for_again() -> None:
    turns = Turns([says("{}")])
    endless = Demand(json_format=JsonFormat("p", {"$ref": "#"}))
    _, [ended] = await answered(turns, endless)
    assert isinstance(ended, TurnEnded)
    assert ended.failure is not None
    assert "cannot be checked" in ended.failure.message


async def test_a_custom_tool_is_called_with_its_input_itself() -> None:
    schema = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}
    patch = Function("patch", "tools[0]", "", schema, is_custom=True)
    call = '<tool_call>{"name": "patch", "arguments": {"input": "a\\n\\"b\\""}}</tool_call>'
    _, pieces = await answered(Turns([says(call)]), Demand((patch,)))
    assert call_of(pieces) == ("patch", 'a\n"b"')
