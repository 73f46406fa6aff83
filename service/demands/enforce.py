"""Enforces a demand for calls or JSON: the answer is checked, and asked for once more if it fails.

Text that was sent to a caller cannot be withdrawn. So whatever has to be checked is held until the
answer is complete: calls always, and text where it has to be JSON or where a call is required;
other text and reasoning are sent at once. An answer that fails the check is asked for once more, in
the same conversation where the upstream keeps it. The text of that second answer is held as well,
since its first part has been sent already.
"""

import asyncio
import json
import secrets
import string
from collections.abc import Collection, Sequence

from msgspec import structs

from service.demands.instructions import correction
from service.demands.verdict import Verdict, judge
from service.ports import DeltaSink, Turns
from service.sink import put
from service.stages.function_calls.call_block import CallBlock
from service.stages.function_calls.call_shapes import WrittenCall
from service.stages.function_calls.take_calls import TakeCalls
from service.vocabulary import endings
from service.vocabulary.credentials import Credential
from service.vocabulary.errors import ServiceError, UnmetDemandError
from service.vocabulary.events import (
    AnswerBlock,
    AnswerStarted,
    AnswerText,
    CitationResolved,
    Cited,
    Delta,
    FunctionArguments,
    FunctionCallStarted,
    Outcome,
    TextSpent,
    TurnEnded,
    TurnFacts,
)
from service.vocabulary.native import FunctionCallEnded
from service.vocabulary.requests import CUSTOM_INPUT, ChatMessage, ChatRequest, Demand, TextPart

_ID_CHARS = string.ascii_letters + string.digits
_ID_LENGTH = 24  # as OpenAI's own
_PAGES = Cited | CitationResolved


class _Attempt:
    """One answer while it arrives: a sink that sends what needs no check, and holds the rest."""

    lane = None

    def __init__(self, demand: Demand, sink: DeltaSink, *, holds_text: bool) -> None:
        self.is_ready = sink.is_ready
        self.ready = sink.ready
        self.is_over = sink.is_over
        self._sink = sink
        self.ended: TurnEnded | None = None
        self.facts = TurnFacts()
        self.demand = demand
        self._holds_text = holds_text
        self._take = TakeCalls([function.name for function in demand.functions])
        self._held: list[Delta | CallBlock] = []
        self._said: list[str] = []

    @property
    def is_complete(self) -> bool:
        """Whether the answer is complete and can be judged."""
        return self.ended is not None and self.ended.outcome is Outcome.COMPLETE

    @property
    def blocks(self) -> list[CallBlock]:
        """The places where the answer calls functions."""
        return [piece for piece in self._held if isinstance(piece, CallBlock)]

    @property
    def said(self) -> str:
        """The whole text of the answer, held or sent."""
        return "".join(self._said)

    @property
    def held_text(self) -> str:
        """The held text, with calls as they were written."""
        held = [piece for piece in self._held if isinstance(piece, AnswerText | Cited | CallBlock)]
        return "".join(piece.text for piece in held)

    def feed(self, batch: list[Delta]) -> None:
        """Pass on the deltas to send at once; hold the others."""
        out: list[Delta] = []
        for delta in (each for received in batch for each in _as_text(received)):
            if not self.demand.functions:
                self._sort(delta, out)
                continue
            for piece in self._take.feed(delta):
                self._sort(piece, out)
        if out:
            self._sink.feed(out)

    def _sort(self, piece: Delta | CallBlock, out: list[Delta]) -> None:
        if isinstance(piece, AnswerText | Cited | CallBlock):
            self._said.append(piece.text)
        match piece:
            case CallBlock():
                self._held.append(piece)
            case TurnEnded():
                self.ended = piece
            case AnswerStarted() | AnswerText() | AnswerBlock() | Cited() | CitationResolved() if (
                self._holds_text
            ):
                self._held.append(piece)
            case TurnFacts():
                self.facts = piece
                out.append(piece)
            case _:
                out.append(piece)

    async def verdict(self) -> Verdict:
        """Judge the complete answer, in a thread."""
        return await asyncio.to_thread(judge, self.demand, self.blocks, self._messages())

    def _messages(self) -> list[str]:
        messages: list[list[str]] = [[]]
        for piece in self._held:
            if isinstance(piece, AnswerStarted):
                messages.append([])
            elif isinstance(piece, AnswerText):
                messages[-1].append(piece.text)
            elif isinstance(piece, Cited):
                messages[-1].append(piece.words)
        return ["".join(texts) for texts in messages if texts]

    def released(self) -> list[Delta]:
        """Return everything held, as text, and the end."""
        held = [
            AnswerText(piece.text) if isinstance(piece, CallBlock) else piece
            for piece in self._held
        ]
        return [*held, self.ended] if self.ended else held

    def accepted(self, verdict: Verdict) -> list[Delta]:
        """Return the answer as the verdict allows it, and the end."""
        words = [piece for piece in self._held if not isinstance(piece, CallBlock)]
        if verdict.json_text is not None:
            pages = [_without_words(piece) for piece in words if isinstance(piece, _PAGES)]
            return [AnswerText(verdict.json_text), *pages, *self._end("stop")]
        if not verdict.calls:
            return [*words, *self._end("stop")]
        if self.demand.json_format is not None:
            words = []  # text beside calls is not JSON, and would be mistaken for it
        custom = {function.name for function in self.demand.functions if function.is_custom}
        return [*words, *_calls(verdict.calls, custom), *self._end("tool_calls")]

    def _end(self, finish_reason: str) -> list[Delta]:
        if self.ended is None:
            return []
        return [structs.replace(self.ended, finish_reason=finish_reason)]


def _as_text(delta: Delta) -> tuple[Delta, ...]:
    """Return code for the reader as plain text; drop a document, which is not part of the answer."""
    if isinstance(delta, AnswerBlock) and not delta.is_document:
        return AnswerStarted(delta.message_id), AnswerText(delta.text)
    return (delta,)


def _without_words(piece: Delta) -> Delta:
    """Return a citation without its words, which the JSON contains already."""
    return structs.replace(piece, words="") if isinstance(piece, Cited) else piece


async def enforced(  # noqa: PLR0913 - a turn, and how it is enforced
    turns: Turns,
    chat: ChatRequest,
    demand: Demand,
    credential: Credential,
    sink: DeltaSink,
    *,
    is_kept: bool,
) -> None:
    """Push an answer that meets the demand, or one that ends in a failure.

    Args:
        turns: runs the turn, and a second one if needed.
        chat: the request, with instructions for the demand.
        demand: what the answer has to meet.
        credential: the caller's.
        sink: takes the answer.
        is_kept: whether the upstream keeps the conversation, so that it can go on.

    Raises:
        ServiceError: before the first batch, as `turns` does.
    """
    holds_text = demand.must_call or demand.json_format is not None
    first = _Attempt(demand, sink, holds_text=holds_text)
    await turns.run(chat, credential, first)
    if not first.is_complete:
        await put(sink, first.released())
        return
    verdict = await first.verdict()
    if not verdict.problem:
        await put(sink, first.accepted(verdict))
        return
    if verdict.is_hopeless:
        await put(sink, _failed(demand, verdict, first.held_text))
        return
    again = _asked_again(chat, first, correction(demand, verdict.problem), is_kept=is_kept)
    sent = tuple(message.text for message in again.messages)
    spent: list[Delta] = [TextSpent(sent, first.held_text)]
    await put(sink, spent)
    second = _Attempt(demand, sink, holds_text=True)
    await put(sink, await _second(turns, again, second, credential))


async def _second(
    turns: Turns, again: ChatRequest, second: _Attempt, credential: Credential
) -> list[Delta]:
    """Push a second answer, and return its end; a failure to begin is one."""
    try:
        await turns.run(again, credential, second)
    except ServiceError as error:
        return [endings.UNMET.ended(failure=error.failure())]
    if not second.is_complete:
        return second.released()
    verdict = await second.verdict()
    if verdict.problem:
        return _failed(second.demand, verdict, second.held_text)
    return second.accepted(verdict)


def _asked_again(chat: ChatRequest, first: _Attempt, text: str, *, is_kept: bool) -> ChatRequest:
    """Return the request for a better answer: the correction alone, or all where nothing is kept."""
    corrected = ChatMessage("user", (TextPart(text),))
    # Callers who share the first turn share the second as well.
    key = f"{chat.idempotency_key}.again" if chat.idempotency_key else ""
    facts = first.facts
    if is_kept and facts.conversation_id and facts.message_id:
        return structs.replace(
            chat,
            messages=(corrected,),
            conversation_id=facts.conversation_id,
            parent_message_id=facts.message_id,
            idempotency_key=key,
        )
    said = ChatMessage("assistant", (TextPart(first.said),))
    return structs.replace(
        chat,
        messages=(*chat.messages, said, corrected),
        conversation_id=None,
        parent_message_id=None,
        idempotency_key=key,
    )


def _calls(calls: Sequence[WrittenCall], custom: Collection[str]) -> list[Delta]:
    """Return the deltas of complete calls; `custom` has the names of custom tools."""
    deltas: list[Delta] = []
    for index, call in enumerate(calls):
        text = json.loads(call.arguments)[CUSTOM_INPUT] if call.name in custom else call.arguments
        call_id = f"call_{''.join(secrets.choice(_ID_CHARS) for _ in range(_ID_LENGTH))}"
        deltas += [
            FunctionCallStarted(index, call_id, call.name),
            FunctionArguments(index, text),
            FunctionCallEnded(index),
        ]
    return deltas


def _failed(demand: Demand, verdict: Verdict, text: str) -> list[Delta]:
    if verdict.is_hopeless:
        message = f"The answer cannot be checked: {verdict.problem}. Simplify the schema."
    else:
        message = (
            f"The model did not answer in the form asked for, even when it was corrected:"
            f" {verdict.problem}. Simplify the schema or the request, or use another model."
        )
    wanted = demand.json_format
    is_call = wanted is None or (bool(demand.functions) and demand.must_call)
    error = UnmetDemandError(
        message,
        code="tool_use_failed" if is_call else "json_validate_failed",
        param="tools" if wanted is None or is_call else wanted.path,
    )
    return [TextSpent((), text), endings.UNMET.ended(failure=error.failure())]
