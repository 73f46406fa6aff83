"""One try of a turn with Codex's back end: sent, read, and looked at on the way to the caller.

POST -> events or one object -> deltas -> pictures stored, limits noted -> sink
"""

from collections.abc import Mapping

from msgspec import Struct, structs

from service.observing.unknown_events import UnknownEvents
from service.ports import DeltaSink
from service.settings.config import StreamConfig
from service.sink import put
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
from upstream.line.line import Line

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


class Tried(Struct, frozen=True):
    """What a try has left to do.

    `untold` is its failed end, if nothing of it was told, so that another try may follow. With
    `goes_on` its end was withheld, because another picture is to be drawn.
    """

    untold: TurnEnded | None = None
    goes_on: bool = False


class CodexTries:
    """Makes tries of turns."""

    def __init__(self, parts: TryParts) -> None:
        self._parts = parts

    async def push(self, turn: RunningTurn, sink: DeltaSink) -> Tried:
        """Push the deltas of a try into a sink as the caller gets them.

        Raises:
            CodexRefusedError: the back end answered with an error or a page.
            UpstreamError: it gave no answer.
        """
        if not turn.payload.is_streamed:
            await self._ask(turn, sink)
            return Tried()
        opened = await self._parts.sender.open(turn.caller, turn.payload)
        turn.read(opened.body)
        receiver = self._receiver(turn, opened)
        turn.ending = receiver.answer.ending
        passing = _Passing(self, turn, opened.headers, sink)
        await Line(opened.body, receiver, passing).run()
        return Tried(passing.untold, passing.goes_on)

    async def _ask(self, turn: RunningTurn, sink: DeltaSink) -> None:
        """Push the deltas of an answer that is one object."""
        async with turn.waiting():
            answer = await self._parts.sender.ask(turn.caller, turn.payload)
        body = answer.body or {}
        if turn.payload.path.startswith(IMAGES):
            stage = self._drawn(turn)
            turn.ending = stage.ending
            deltas = list(stage.whole(body))
        else:
            deltas = list(compacted(body))
        await put(sink, await self.passed(turn, deltas, answer.headers))

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

    def accepted(self, turn: RunningTurn) -> None:
        """Note that the back end has begun to answer; status 200 alone may be of an error."""
        self._parts.backend.http.accepted(turn.caller)

    async def passed(
        self, turn: RunningTurn, batch: list[Delta], headers: Mapping[str, str]
    ) -> list[Delta]:
        """Return a batch as the caller gets it, and note what the turn itself needs."""
        passed = [await self._looked_at(turn, delta, headers) for delta in batch]
        return [delta for delta in passed if delta is not None]

    # One branch for each kind of delta: a table.
    async def _looked_at(  # noqa: C901, PLR0911, PLR0912 - see above
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
                item = {**delta.item, "encrypted_content": seal(text, account)}
                return ToolItemEnded(number, item)
            case ToolItemEnded(item={"call_id": str(call_id)}):  # the caller brings its result
                turn.call_ids.append(call_id)
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


class _Passing:
    """A sink for one try: its own batches it holds for a task, all others pass at once."""

    def __init__(
        self, tries: CodexTries, turn: RunningTurn, headers: Mapping[str, str], sink: DeltaSink
    ) -> None:
        self.untold: TurnEnded | None = None
        self.goes_on = False
        self._tries = tries
        self._turn = turn
        self._headers = headers
        self._sink = sink
        self._held: list[Delta] = []
        self._is_accepted = False
        self._has_ended = False

    def feed(self, batch: list[Delta]) -> None:
        if not self._is_accepted and not isinstance(batch[0], TurnEnded):
            self._is_accepted = True
            self._tries.accepted(self._turn)
        if self._held or any(isinstance(delta, _OWN) for delta in batch):
            self._held += batch
        else:
            self._sink.feed(batch)  # nearly all of them

    def is_ready(self) -> bool:
        return not self._held and self._sink.is_ready()

    async def ready(self) -> None:
        held, self._held = self._held, []
        passed = await self._tries.passed(self._turn, held, self._headers) if held else []
        if passed and isinstance(last := passed[-1], TurnEnded):
            self._has_ended = True
            if self._withholds(last):
                del passed[-1]
        if passed:
            await put(self._sink, passed)
        await self._sink.ready()

    def _withholds(self, last: TurnEnded) -> bool:
        ending = self._turn.ending
        if last.failure is not None and ending is not None and not ending.has_items:
            self.untold = last
        self.goes_on = self._turn.goes_on(last)
        return self.untold is not None or self.goes_on

    def is_over(self) -> bool:
        return self._sink.is_over() or (self._has_ended and not self._held)


def sealed_for(caller: Caller) -> str:
    """Return the name under which reasoning is sealed: of the account, else of its credential."""
    return caller.account_id or caller.account
