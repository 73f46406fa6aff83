"""One turn with Codex's back end, from the caller's credential to the last delta (port `Turns`).

prepare   model, files, body                     once
try       POST responses -> deltas               again while nothing of an answer has come
answer    pictures stored, limits noted          on the way to the caller
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager

from msgspec import Struct, structs

from service.files.file_names import without_controls
from service.observing.metrics import Metrics
from service.observing.tracing import child_span
from service.observing.unknown_events import UnknownEvents
from service.ports import Lane, TokenExchange, UploadStore
from service.settings.config import Config
from service.settings.model_names import is_other_model
from service.stages.codex.answer import CodexAnswer
from service.stages.codex.events import ReadCodex
from service.upstream_errors.codex_refusals import CodexRefusedError, UsageLimit
from service.vocabulary.credentials import Caller, Credential, TokenKind
from service.vocabulary.errors import (
    NOT_OFFERED,
    NotFoundError,
    UpstreamRefusedError,
    UpstreamUnreachableError,
)
from service.vocabulary.events import Delta, FunctionCallStarted, TurnEnded, TurnFacts
from service.vocabulary.native import LimitsKnown, PictureMade, ReasoningEnded, Scope
from service.vocabulary.requests import ChatRequest
from upstream.codex.account.limits import AccountLimits
from upstream.codex.account.models import CodexModels
from upstream.codex.account.rests import AccountRests
from upstream.codex.connection.backend import CodexBackend
from upstream.codex.payload.sealed import seal, unseal
from upstream.codex.payload.turn_body import CodexTurn, TurnSource, build_turn
from upstream.codex.turn.inline_files import InlineFiles
from upstream.codex.turn.pictures import AnswerPictures
from upstream.codex.turn.receiving import CodexReceiver
from upstream.codex.turn.repairs import Change, Fault, Repair, Repairs, fault_of
from upstream.codex.turn.sending import CodexSender, Opened
from upstream.codex.turn.turn_states import TurnStates
from upstream.fetching.left_files import located
from upstream.http.answer_body import AnswerBody
from upstream.slots.queueing import AccountQueues
from upstream.slots.running import RunningWork

_PICTURES = "image_generation"
_MAX_MODEL_CHARS = 255
_IN_LINE_SECONDS = 0.01  # a slot that is free takes less
# What a turn has to look at itself before a caller gets it.
_OWN = (LimitsKnown, PictureMade, ReasoningEnded, TurnFacts, FunctionCallStarted, TurnEnded)
_log = logging.getLogger("gateway.turns")


class CodexServices(Struct, frozen=True):
    """What a turn is made of; each is described where it is defined."""

    config: Config
    tokens: TokenExchange
    backend: CodexBackend
    sender: CodexSender
    models: CodexModels
    files: InlineFiles
    uploads: UploadStore
    queues: AccountQueues
    rests: AccountRests
    limits: AccountLimits
    states: TurnStates
    pictures: AnswerPictures
    metrics: Metrics
    unknown_events: UnknownEvents


class _Turn:
    """One turn, through all its tries."""

    def __init__(
        self, request: ChatRequest, credential: Credential, caller: Caller, payload: CodexTurn
    ) -> None:
        self.request = request
        self.credential = credential
        self.caller = caller
        self.payload = payload
        self.scope = scope_of(request)
        self.body: AnswerBody | None = None
        self.answering_model: str | None = None
        self.call_ids: list[str] = []
        self.is_closing = False

    def shut_down(self) -> None:
        """End the turn because this gateway is being stopped."""
        self.is_closing = True
        if self.body is not None:
            self.body.shut_down()

    def read(self, body: AnswerBody) -> None:
        """Take the body that is read from now on."""
        self.body = body
        if self.is_closing:
            body.shut_down()


def scope_of(request: ChatRequest) -> Scope:
    """Return which allowance a turn is taken from: what was asked for decides."""
    choice = request.wishes.tool_choice
    is_picture = isinstance(choice, dict) and choice.get("type") == _PICTURES
    return Scope.PICTURES if is_picture else Scope.TEXT


class CodexTurns:
    """Runs turns; implements `service.ports.Turns`."""

    def __init__(self, services: CodexServices) -> None:
        self._services = services
        self._running = RunningWork[_Turn]()

    async def run(
        self,
        request: ChatRequest,
        credential: Credential,
        lane: Lane | None = None,  # noqa: ARG002 - no text takes it here
    ) -> AsyncGenerator[list[Delta], None]:
        """Yield batches of deltas, the last one a `TurnEnded`; see the port.

        Raises:
            ServiceError: before the first batch: nothing was sent, or the back end refused.
        """
        services = self._services
        with self._running.admitted(request.received_at):
            _refuse_conversation(request)
            caller = await services.tokens.caller(credential)
            await services.rests.check(caller, scope_of(request))
            request = await located(request, services.uploads, credential.owner)
            loop = asyncio.get_running_loop()
            asked_at = loop.time()
            async with (
                services.queues.slot(caller.account, request.queue_party),
                child_span("turn"),
            ):
                if loop.time() - asked_at > _IN_LINE_SECONDS:
                    # Those before it may have come to the limit.
                    await services.rests.check(caller, scope_of(request))
                payload = await self._payload(request, caller)
                turn = _Turn(request, credential, caller, payload)
                with self._entered(turn):
                    async with aclosing(self._batches(turn)) as batches:
                        async for batch in batches:
                            yield batch

    async def drain(self, seconds: float) -> None:
        """Refuse new turns, wait for those that run, and end what is left after that long."""
        await self._running.drain(seconds)

    @contextmanager
    def _entered(self, turn: _Turn) -> Iterator[None]:
        with self._running.running(turn), self._services.metrics.open_streams.track_inprogress():
            try:
                yield
            finally:
                self._leave(turn)

    def _leave(self, turn: _Turn) -> None:
        if turn.body is not None:
            turn.body.close()
        asked, answering = turn.payload.body["model"], turn.answering_model
        if answering and is_other_model(asked, answering):
            answering = without_controls(answering)[:_MAX_MODEL_CHARS]
            _log.warning("asked for %s, answered by %s", asked, answering)

    # --- sending ----------------------------------------------------------------

    async def _payload(self, request: ChatRequest, caller: Caller) -> CodexTurn:
        services = self._services
        asked = await services.models.resolve(request.model, caller)
        if asked.effort and not request.wishes.effort:
            wishes = structs.replace(request.wishes, effort=asked.effort)
            request = structs.replace(request, wishes=wishes)
        files = await services.files.of(request)
        account = _sealed_for(caller)
        source = TurnSource(asked.model, account, files, lambda text: unseal(text, account))
        return build_turn(request, source)

    async def _batches(self, turn: _Turn) -> AsyncGenerator[list[Delta], None]:
        """Yield the deltas of the first try that brings an answer, or of the last one."""
        repairs = Repairs(
            self._services.config.upstream.retries,
            can_renew=turn.credential.kind is TokenKind.REFRESH,
            has_sealed=turn.payload.has_sealed,
        )
        while True:
            try:
                opened = await self._services.sender.open(turn.caller, turn.payload)
            except (UpstreamUnreachableError, UpstreamRefusedError) as error:
                if isinstance(error, CodexRefusedError):
                    await self._take_limit(turn, error.limit)
                await self._repair(turn, error, repairs.after(error))
                continue
            receiver = self._receiver(turn, opened)
            ended: TurnEnded | None = None
            async with aclosing(self._received(turn, opened, receiver)) as batches:
                async for batch in batches:
                    ended = _untold_end(batch, receiver)
                    if told := batch[:-1] if ended else batch:
                        yield told
            if ended is None:
                return
            fault = fault_of(ended, receiver.answer.ending.limit)
            repair = repairs.after(fault) if fault else None
            if fault is None or repair is None:
                yield [ended]
                return
            await self._repair(turn, fault, repair)

    async def _repair(self, turn: _Turn, fault: Fault, repair: Repair | None) -> None:
        """Prepare the next try.

        Raises:
            UpstreamError: the fault, if there is none.
            AuthError: the token cannot be renewed.
            TokenServiceError: the token service has a passing fault.
        """
        if repair is None:
            raise fault
        if turn.body is not None:
            turn.body.close()
        match repair.change:
            case Change.TOKEN:
                fresh = await self._services.tokens.renew(turn.credential, turn.caller)
                if fresh.access_token == turn.caller.access_token:
                    raise fault
                turn.caller = fresh
            case Change.UNSEALED:
                turn.payload = turn.payload.without_sealed()
            case Change.NOTHING:
                self._services.metrics.upstream_retries.inc()
                await asyncio.sleep(repair.pause)

    async def _take_limit(self, turn: _Turn, limit: UsageLimit | None) -> None:
        """Let the account rest if nothing is left of what the turn is taken from."""
        if limit is not None:
            await self._services.rests.rest(turn.caller, turn.scope, limit.resets_at)

    # --- receiving --------------------------------------------------------------

    def _receiver(self, turn: _Turn, opened: Opened) -> CodexReceiver:
        backend, stream = self._services.backend, self._services.config.stream
        secrets = backend.secrets_of(turn.caller)
        answer = CodexAnswer(backend.clock(), opened.model, turn.payload.names, secrets)
        is_paced = turn.request.is_stream and stream.delay_seconds > 0
        return CodexReceiver(ReadCodex(secrets, is_paced=is_paced), answer)

    async def _received(
        self, turn: _Turn, opened: Opened, receiver: CodexReceiver
    ) -> AsyncGenerator[list[Delta], None]:
        """Yield the deltas of a try as the caller gets them."""
        turn.read(opened.body)
        is_accepted = False
        async with aclosing(receiver.deltas(opened.body)) as batches:
            async for batch in batches:
                if not is_accepted and not isinstance(batch[0], TurnEnded):
                    is_accepted = True  # status 200 alone may be of an error
                    self._services.backend.http.accepted(turn.caller)
                if not any(isinstance(delta, _OWN) for delta in batch):
                    yield batch  # nearly all of them
                elif passed := [each async for each in self._passed(turn, batch, opened, receiver)]:
                    yield passed

    async def _passed(
        self, turn: _Turn, batch: list[Delta], opened: Opened, receiver: CodexReceiver
    ) -> AsyncGenerator[Delta, None]:
        services = self._services
        for delta in batch:
            match delta:
                case LimitsKnown():
                    services.limits.note(turn.caller, delta)
                    continue
                case PictureMade():
                    yield await services.pictures.kept(delta, turn.request.public_url)
                    continue
                case ReasoningEnded(sealed):
                    yield ReasoningEnded(seal(sealed, _sealed_for(turn.caller)))
                    continue
                case TurnFacts(upstream_model=model):
                    turn.answering_model = model
                    yield structs.replace(delta, cache_key=turn.payload.cache_key)
                    continue
                case FunctionCallStarted():
                    turn.call_ids.append(delta.call_id)
                case TurnEnded():
                    # Now, since the caller may stop reading at the end.
                    services.unknown_events.note(delta.counts, delta.samples)
                    await self._take_limit(turn, receiver.answer.ending.limit)
                    await services.states.keep(turn.caller, opened.headers, turn.call_ids)
                case _:
                    pass
            yield delta


def _untold_end(batch: list[Delta], receiver: CodexReceiver) -> TurnEnded | None:
    """Return the failed end of a try of which nothing has been told, so that another may follow."""
    last = batch[-1]
    is_untold = isinstance(last, TurnEnded) and not receiver.answer.ending.has_items
    return last if is_untold and isinstance(last, TurnEnded) and last.failure else None


def _sealed_for(caller: Caller) -> str:
    """Return the name under which reasoning is sealed: of the account, else of its credential."""
    return caller.account_id or caller.account


def _refuse_conversation(request: ChatRequest) -> None:
    if request.conversation_id is None:
        return
    message = (
        "Conversations are kept by accounts of the website's login; a Codex account keeps none. "
        "Send the messages that came before, or previous_response_id to /v1/responses."
    )
    raise NotFoundError(message, code=NOT_OFFERED, param="conversation_id")
