"""One turn with the upstream, from the caller's credential to the last delta (port `Turns`)."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import cached_property, partial
from http import HTTPStatus

from msgspec import Struct, structs

from service.files.file_names import without_controls
from service.observing.metrics import Metrics
from service.observing.tracing import child_span
from service.observing.unknown_events import UnknownEvents
from service.pipeline.joined import make_answer, make_reader
from service.ports import Assets, DeltaSink, TokenExchange, UploadStore
from service.settings.config import Config
from service.settings.model_names import is_other_model
from service.sink import put
from service.vocabulary.credentials import Caller, Credential
from service.vocabulary.errors import UpstreamRefusedError
from service.vocabulary.events import (
    AnswerWanted,
    BodyEnd,
    BodyEnded,
    Delta,
    PictureWanted,
    ResumeWanted,
    SentHistory,
    TurnEnded,
    TurnFacts,
    UpstreamEvent,
)
from service.vocabulary.requests import ChatRequest, FilePart
from upstream.fetching.left_files import located
from upstream.line.answer_body import AnswerBody
from upstream.line.line import Line
from upstream.slots.calls import renewing
from upstream.slots.queueing import AccountQueues
from upstream.slots.running import RunningWork
from upstream.website.files.assets import ResolvedAssets
from upstream.website.files.uploads import UpstreamUploads
from upstream.website.models.catalogue import ModelCatalogue
from upstream.website.payload.turn_body import TurnOptions, TurnPayload, build_turn, thinking_effort
from upstream.website.turn.arkose import Arkose
from upstream.website.turn.client import TurnClient
from upstream.website.turn.conversations import Conversations
from upstream.website.turn.efforts import RefusedEfforts
from upstream.website.turn.late_answers import answer_events
from upstream.website.turn.late_pictures import TEMPORARY, picture_events
from upstream.website.turn.receiving import Receiver
from upstream.website.turn.resume import open_resumed
from upstream.website.turn.waiting import Clock, LoopClock, Wait

_MAX_MODEL_CHARS = 255  # of the upstream's model name in the log
_log = logging.getLogger("gateway.turns")

ARKOSE_HEADER = "Openai-Sentinel-Arkose-Token"
# A turn is handed off once; more than a few times is a loop.
MAX_HAND_OFFS = 5


class TurnServices(Struct, frozen=True):
    """The services that a turn uses; each is described where it is defined."""

    config: Config
    tokens: TokenExchange
    models: ModelCatalogue
    files: UpstreamUploads
    uploads: UploadStore
    arkose: Arkose
    queues: AccountQueues
    client: TurnClient
    assets: Assets
    conversations: Conversations
    efforts: RefusedEfforts
    metrics: Metrics
    unknown_events: UnknownEvents
    clock: Clock = LoopClock()


# How a turn continues after a body.
Wanted = ResumeWanted | PictureWanted | AnswerWanted
# What a turn has to look at itself.
_NOTED = frozenset({TurnFacts, ResumeWanted, PictureWanted, AnswerWanted, TurnEnded})


class _Turn:
    """A turn that the upstream has accepted."""

    def __init__(self, caller: Caller, model: str, body: AnswerBody, sent: SentHistory) -> None:
        self.caller = caller
        self.model = model
        self.answering_model: str | None = None
        self.body = body
        self.sent = sent
        self.conversation_id: str | None = None
        self.wanted: Wanted | None = None
        self.resumes = 0
        self.is_paced = False
        self.has_begun = False  # the upstream has answered, if only with the name of its model
        self.has_ended = False

    @cached_property
    def closing(self) -> asyncio.Event:
        """Set when this gateway stops."""
        return asyncio.Event()

    def shut_down(self) -> None:
        """End the turn because this gateway is stopping."""
        self.closing.set()
        self.body.shut_down()

    def take_wanted(self) -> Wanted | None:
        """Return the wanted continuation of the turn, and forget it."""
        wanted, self.wanted = self.wanted, None
        return wanted


class _Noting:
    """A sink that shows its turn what passes; over when the turn has ended or is to continue."""

    def __init__(
        self, turn: _Turn, note: Callable[[_Turn, Delta], None], sink: ResolvedAssets
    ) -> None:
        self.is_ready = sink.is_ready
        self.ready = sink.ready
        self._turn = turn
        self._note = note
        self._sink = sink

    def feed(self, batch: list[Delta]) -> None:
        for delta in batch:
            if type(delta) in _NOTED:
                self._note(self._turn, delta)
        self._sink.feed(batch)

    def is_over(self) -> bool:
        turn = self._turn
        if turn.has_ended or turn.wanted is not None:
            return self._sink.is_ready() or self._sink.is_over()
        return self._sink.is_over()


class UpstreamTurns:
    """Runs turns; implements `service.ports.Turns`."""

    def __init__(self, services: TurnServices) -> None:
        self._services = services
        self._running = RunningWork[_Turn]()

    async def run(self, request: ChatRequest, credential: Credential, sink: DeltaSink) -> None:
        """Push the deltas of a turn into the sink, the last one a `TurnEnded`; see the port.

        Cancelling it, or a sink that is over, closes the upstream connection before it returns, and
        stops the conversation in the background.

        Raises:
            ServiceError: before the first batch: nothing was sent, or the upstream refused.
        """
        services = self._services
        with self._running.admitted(request.received_at):
            caller = await services.tokens.caller(credential)
            request = await located(request, services.uploads, credential)
            async with (
                services.queues.slot(caller.account, request.queue_party),
                child_span("turn"),
            ):
                turn = await renewing(
                    services.tokens, credential, caller, partial(self._begin, request)
                )
                self._enter(turn)
                try:
                    assets = ResolvedAssets(sink, services.assets, turn.caller, request)
                    await self._push(turn, _Noting(turn, self._note, assets), sink)
                finally:
                    self._leave(turn)

    async def drain(self, seconds: float) -> None:
        """Refuse new turns, wait up to `seconds` for those that run, and end the others."""
        await self._running.drain(seconds)

    # --- sending ----------------------------------------------------------------

    # The steps before the first event, in their order.
    async def _begin(self, request: ChatRequest, caller: Caller) -> _Turn:
        services = self._services
        model = await services.models.resolve(request.model, caller)
        parts = [
            part
            for message in request.messages
            for part in message.parts
            if isinstance(part, FilePart)
        ]
        uploads = await services.files.upload_parts(caller, parts) if parts else {}
        arkose = await services.arkose.token()
        has_effort = bool(thinking_effort(request.wishes))
        takes_effort = has_effort and not await services.efforts.has(caller.account)
        options = TurnOptions(
            is_temporary=services.config.conversation.temporary,
            encodings=tuple(services.config.upstream.encodings),
            takes_effort=takes_effort,
            arkose_token=arkose,
        )
        body, payload = await self._open(
            caller, lambda options: build_turn(request, model, uploads, options), options
        )
        turn = _Turn(caller, model.slug, body, payload.sent)
        turn.conversation_id = request.conversation_id
        turn.is_paced = request.is_stream and services.config.stream.delay_seconds > 0
        return turn

    async def _open(
        self, caller: Caller, build: Callable[[TurnOptions], TurnPayload], options: TurnOptions
    ) -> tuple[AnswerBody, TurnPayload]:
        """Send a turn; where the account may not say how much is to be thought, once more without."""
        services, payload = self._services, build(options)
        headers = {ARKOSE_HEADER: options.arkose_token} if options.arkose_token else None
        try:
            return await services.client.open(caller, payload.body, headers), payload
        except UpstreamRefusedError as error:
            is_invalid = error.upstream_status == HTTPStatus.UNPROCESSABLE_ENTITY
            if not is_invalid or not options.takes_effort:
                raise
        await services.efforts.note(caller.account)
        payload = build(structs.replace(options, takes_effort=False))
        return await services.client.open(caller, payload.body, headers), payload

    def _enter(self, turn: _Turn) -> None:
        """Count the turn in; pass it to `_leave` whatever happens."""
        self._running.begin(turn)
        self._services.metrics.open_streams.inc()

    def _leave(self, turn: _Turn) -> None:
        """Count the turn out, and stop or hide its conversation as the settings say (spec 6.5)."""
        services = self._services
        services.metrics.open_streams.dec()
        self._running.end(turn)
        turn.body.close()
        if turn.answering_model and is_other_model(turn.model, turn.answering_model):
            answering = without_controls(turn.answering_model)[:_MAX_MODEL_CHARS]
            _log.warning("asked for %s, answered by %s", turn.model, answering)
        if turn.conversation_id is None:
            return
        if not turn.has_ended:
            services.conversations.stop_later(turn.caller, turn.conversation_id)
        settings = services.config.conversation
        if settings.delete_after_response and not settings.temporary:
            services.conversations.hide_later(turn.caller, turn.conversation_id)

    # --- receiving --------------------------------------------------------------

    async def _push(self, turn: _Turn, sink: _Noting, outlet: DeltaSink) -> None:
        """Push the deltas of a turn, through all bodies in which it continues."""
        answer = make_answer(turn.sent, turn.conversation_id)
        secrets = self._services.client.secrets_of(turn.caller)
        reader = make_reader(secrets, is_paced=turn.is_paced)
        receiver = Receiver(reader, answer, outlet.lane)
        await Line(turn.body, receiver, sink).run()
        while (wanted := turn.take_wanted()) is not None and not outlet.is_over():
            if isinstance(wanted, ResumeWanted):
                await self._resume(turn, wanted, receiver, sink)
                continue
            async with aclosing(self._later(turn, wanted)) as batches:
                async for events in batches:
                    await put(sink, [delta for event in events for delta in answer.feed(event)])
                    if sink.is_over():
                        break

    async def _resume(
        self, turn: _Turn, wanted: ResumeWanted, receiver: Receiver, sink: _Noting
    ) -> None:
        """Push the body in which a handed-off turn continues, if it can be had."""
        body = None
        if turn.resumes < MAX_HAND_OFFS:
            turn.resumes += 1
            consumed = receiver.reader.consumed
            body = await open_resumed(self._services.client, turn.caller, wanted, consumed)
        if body is None:
            await put(sink, receiver.answer.feed(BodyEnded(BodyEnd.UNRESUMED)))
            return
        receiver.follow()
        turn.body = body
        await Line(body, receiver, sink).run()

    def _later(
        self, turn: _Turn, wanted: PictureWanted | AnswerWanted
    ) -> AsyncGenerator[list[UpstreamEvent], None]:
        """Return the events of a late answer or picture; none for a temporary chat."""
        services, is_picture = self._services, isinstance(wanted, PictureWanted)
        if wanted.conversation_id is None or services.config.conversation.temporary:
            return _only(BodyEnded(BodyEnd.WAITED, TEMPORARY if is_picture else ""))
        wait = Wait(
            sent=turn.sent.message_ids,
            deadline=turn.body.deadline,
            closing=turn.closing,
            idle_seconds=services.config.upstream.idle_seconds,
            clock=services.clock,
        )
        if isinstance(wanted, PictureWanted):
            return picture_events(services.conversations, turn.caller, wanted, wait)
        return answer_events(services.conversations, turn.caller, wanted, wait)

    def _note(self, turn: _Turn, delta: Delta) -> None:
        """Note a delta that the turn itself needs."""
        match delta:
            case TurnFacts():
                if not turn.has_begun:
                    turn.has_begun = True
                    self._services.client.accepted(turn.caller)
                turn.conversation_id = delta.conversation_id
                turn.answering_model = delta.upstream_model
            case ResumeWanted() | PictureWanted() | AnswerWanted():
                turn.wanted = delta
            case TurnEnded():
                turn.has_ended = True
                self._services.unknown_events.note(delta.counts, delta.samples)
            case _:
                pass


async def _only(event: UpstreamEvent) -> AsyncGenerator[list[UpstreamEvent], None]:
    yield [event]
