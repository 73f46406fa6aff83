"""One try of a turn with Codex's back end: sent, read, and looked at on the way to the caller.

POST -> events or one object -> deltas -> pictures stored, limits noted -> caller
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from msgspec import Struct, structs

from service.observing.unknown_events import UnknownEvents
from service.settings.config import StreamConfig
from service.stages.codex.answer import CodexAnswer
from service.stages.codex.compacted import compacted
from service.stages.codex.drawn import DrawnPictures
from service.stages.codex.events import ReadCodex
from service.vocabulary.credentials import Caller
from service.vocabulary.events import Delta, FunctionCallStarted, TurnEnded, TurnFacts
from service.vocabulary.native import (
    LimitsKnown,
    PictureFacts,
    PictureMade,
    PicturePreview,
    ReasoningEnded,
    ToolItemEnded,
    UsageKnown,
)
from upstream.codex.account.limits import AccountLimits
from upstream.codex.account.rests import AccountRests
from upstream.codex.connection.backend import CodexBackend
from upstream.codex.payload.sealed import seal
from upstream.codex.payload.turn_body import IMAGES
from upstream.codex.turn.pictures import AnswerPictures
from upstream.codex.turn.receiving import CodexReceiver
from upstream.codex.turn.running_turn import RunningTurn
from upstream.codex.turn.sending import CodexSender, Opened
from upstream.codex.turn.turn_states import TurnStates

# What a turn has to look at itself before a caller gets it.
_OWN = (
    *(LimitsKnown, PictureMade, PicturePreview, ReasoningEnded, ToolItemEnded, UsageKnown),
    *(TurnFacts, FunctionCallStarted, TurnEnded),
)


class TryParts(Struct, frozen=True):
    """The parts of a try; each is described where it is defined."""

    backend: CodexBackend
    sender: CodexSender
    rests: AccountRests
    limits: AccountLimits
    states: TurnStates
    pictures: AnswerPictures
    unknown_events: UnknownEvents
    stream: StreamConfig


class CodexTries:
    """Makes tries of turns."""

    def __init__(self, parts: TryParts) -> None:
        self._parts = parts

    async def batches(self, turn: RunningTurn) -> AsyncGenerator[list[Delta], None]:
        """Yield the deltas of a try as the caller gets them; the last one is a `TurnEnded`.

        Raises:
            CodexRefusedError: the back end answered with an error or a page.
            UpstreamError: it gave no answer.
        """
        if not turn.payload.is_streamed:
            async for batch in self._asked(turn):
                yield batch
            return
        opened = await self._parts.sender.open(turn.caller, turn.payload)
        async with aclosing(self._received(turn, opened)) as batches:
            async for batch in batches:
                yield batch

    async def _asked(self, turn: RunningTurn) -> AsyncGenerator[list[Delta], None]:
        """Yield the deltas of an answer that is one object."""
        async with turn.waiting():
            answer = await self._parts.sender.ask(turn.caller, turn.payload)
        body = answer.body or {}
        if turn.payload.path.startswith(IMAGES):
            stage = self._drawn(turn)
            turn.ending = stage.ending
            deltas = list(stage.whole(body))
        else:
            deltas = list(compacted(body))
        yield await self._passed(turn, deltas, answer.headers)

    async def _received(
        self, turn: RunningTurn, opened: Opened
    ) -> AsyncGenerator[list[Delta], None]:
        """Yield the deltas of a stream."""
        backend, is_accepted = self._parts.backend, False
        turn.read(opened.body)
        receiver = self._receiver(turn, opened)
        turn.ending = receiver.answer.ending
        async with aclosing(receiver.deltas(opened.body)) as batches:
            async for batch in batches:
                if not is_accepted and not isinstance(batch[0], TurnEnded):
                    is_accepted = True  # status 200 alone may be of an error
                    backend.http.accepted(turn.caller)
                if not any(isinstance(delta, _OWN) for delta in batch):
                    yield batch  # nearly all of them
                    continue
                if told := await self._passed(turn, batch, opened.headers):
                    yield told

    def _receiver(self, turn: RunningTurn, opened: Opened) -> CodexReceiver:
        backend, stream = self._parts.backend, self._parts.stream
        secrets = backend.secrets_of(turn.caller)
        is_paced = turn.request.is_stream and stream.delay_seconds > 0
        reader = ReadCodex(secrets, is_paced=is_paced)
        if turn.payload.path.startswith(IMAGES):
            return CodexReceiver(reader, self._drawn(turn))
        is_order = turn.request.picture is not None
        answer = CodexAnswer(
            *(backend.clock(), opened.model, turn.payload.names, secrets), counts_pictures=is_order
        )
        return CodexReceiver(reader, answer)

    def _drawn(self, turn: RunningTurn) -> DrawnPictures:
        backend, order = self._parts.backend, turn.request.picture
        count = order.count if order else 1
        return DrawnPictures(backend.clock(), count, backend.secrets_of(turn.caller))

    async def _passed(
        self, turn: RunningTurn, batch: list[Delta], headers: Mapping[str, str]
    ) -> list[Delta]:
        passed = [await self._looked_at(turn, delta, headers) for delta in batch]
        return [delta for delta in passed if delta is not None]

    # One branch for each kind of delta: a table.
    async def _looked_at(  # noqa: C901, PLR0911 - see above
        self, turn: RunningTurn, delta: Delta, headers: Mapping[str, str]
    ) -> Delta | None:
        """Return a delta as the caller gets it, None for one that is not a caller's."""
        parts, url, account = self._parts, turn.request.public_url, sealed_for(turn.caller)
        match delta:
            case LimitsKnown():
                parts.limits.note(turn.caller, delta)
                return None
            case PictureMade():
                return await parts.pictures.kept(delta, url)
            case PicturePreview(number, index, content) if turn.request.picture is not None:
                made = PictureMade(PictureFacts(number, preview=index), content)
                return await parts.pictures.kept(made, url, is_preview=True)
            case ReasoningEnded(sealed):
                return ReasoningEnded(seal(sealed, account))
            case ToolItemEnded(number, {"type": "compaction", "encrypted_content": str(text)}):
                return ToolItemEnded(
                    number, {**delta.item, "encrypted_content": seal(text, account)}
                )
            case UsageKnown():
                return turn.used(delta)
            case TurnFacts(upstream_model=model):
                turn.answering_model = model
                return structs.replace(delta, cache_key=turn.payload.cache_key)
            case FunctionCallStarted():
                turn.call_ids.append(delta.call_id)
            case TurnEnded():
                # Now, since the caller may stop reading at the end.
                await self._end(turn, delta, headers)
            case _:
                pass
        return delta

    async def _end(self, turn: RunningTurn, ended: TurnEnded, headers: Mapping[str, str]) -> None:
        parts = self._parts
        parts.unknown_events.note(ended.counts, ended.samples)
        if turn.ending is not None and turn.ending.limit is not None:
            await parts.rests.rest(turn.caller, turn.scope, turn.ending.limit.resets_at)
        await parts.states.keep(turn.caller, headers, turn.call_ids)


def sealed_for(caller: Caller) -> str:
    """Return the name under which reasoning is sealed: of the account, else of its credential."""
    return caller.account_id or caller.account
