"""One turn with Codex's back end, from the caller's credential to the last delta (port `Turns`).

prepare   model, files, body                          once
try       POST responses, images/… -> deltas          again while nothing of an answer has come
answer    pictures stored, limits noted               on the way to the caller
"""

import asyncio
import logging
from collections.abc import Callable

from msgspec import Struct, structs

from service.files.file_names import without_controls
from service.observing.metrics import Metrics
from service.observing.tracing import child_span
from service.ports import DeltaSink, TokenExchange, UploadStore
from service.settings.model_names import is_other_model
from service.sink import put
from service.upstream_errors.codex_refusals import CodexRefusedError
from service.vocabulary.credentials import Caller, Credential, TokenKind
from service.vocabulary.errors import (
    NOT_OFFERED,
    NotFoundError,
    UpstreamRefusedError,
    UpstreamUnreachableError,
)
from service.vocabulary.events import Delta
from service.vocabulary.requests import ChatRequest, PictureOrder
from upstream.codex.account.models import CodexModels
from upstream.codex.account.rests import AccountRests
from upstream.codex.payload.items import InlineFile
from upstream.codex.payload.model import CodexModel
from upstream.codex.payload.picture_body import picture_turn, told_to_draw
from upstream.codex.payload.sealed import unseal
from upstream.codex.payload.turn_body import CodexTurn, TurnSource, build_turn, compact_turn
from upstream.codex.turn.inline_files import InlineFiles
from upstream.codex.turn.repairs import Change, Fault, Repair, Repairs, fault_of
from upstream.codex.turn.running_turn import RunningTurn, scope_of
from upstream.codex.turn.trying import CodexTries, sealed_for
from upstream.fetching.left_files import located
from upstream.slots.queueing import AccountQueues
from upstream.slots.running import RunningWork

_MAX_MODEL_CHARS = 255
_IN_LINE_SECONDS = 0.01  # a slot that is free takes less
_log = logging.getLogger("gateway.turns")


class CodexServices(Struct, frozen=True):
    """What a turn is made of; each is described where it is defined."""

    retries: int
    tokens: TokenExchange
    models: CodexModels
    files: InlineFiles
    uploads: UploadStore
    queues: AccountQueues
    rests: AccountRests
    tries: CodexTries
    metrics: Metrics


class CodexTurns:
    """Runs turns; implements `service.ports.Turns`."""

    def __init__(self, services: CodexServices) -> None:
        self._services = services
        self._running = RunningWork[RunningTurn]()

    async def run(self, request: ChatRequest, credential: Credential, sink: DeltaSink) -> None:
        """Push the deltas of a turn into the sink, the last one a `TurnEnded`; see the port.

        Raises:
            ServiceError: before the first batch: nothing was sent, or the back end refused.
        """
        services = self._services
        with self._running.admitted(request.received_at):
            _refuse_conversation(request)
            caller = await services.tokens.caller(credential)
            await services.rests.check(caller, scope_of(request))
            request = await located(request, services.uploads, credential)
            loop = asyncio.get_running_loop()
            asked_at = loop.time()
            async with (
                services.queues.slot(caller.account, request.queue_party),
                child_span("turn"),
            ):
                if loop.time() - asked_at > _IN_LINE_SECONDS:
                    # Those before it may have come to the limit.
                    await services.rests.check(caller, scope_of(request))
                turn = await self._prepared(request, credential, caller)
                self._enter(turn)
                try:
                    while await self._push(turn, sink) and not sink.is_over():
                        pass  # a model draws with its tool, one picture each time
                finally:
                    self._leave(turn)

    async def drain(self, seconds: float) -> None:
        """Refuse new turns, wait for those that run, and end what is left after that long."""
        await self._running.drain(seconds)

    def _enter(self, turn: RunningTurn) -> None:
        """Count the turn in; pass it to `_leave` whatever happens."""
        self._running.begin(turn)
        self._services.metrics.open_streams.inc()

    def _leave(self, turn: RunningTurn) -> None:
        self._services.metrics.open_streams.dec()
        self._running.end(turn)
        if turn.body is not None:
            turn.body.close()
        asked, answering = turn.payload.model, turn.answering_model
        if answering and is_other_model(asked, answering):
            answering = without_controls(answering)[:_MAX_MODEL_CHARS]
            _log.warning("asked for %s, answered by %s", asked, answering)

    # --- preparing --------------------------------------------------------------

    async def _prepared(
        self, request: ChatRequest, credential: Credential, caller: Caller
    ) -> RunningTurn:
        if (order := request.picture) is not None:
            return await self._ordered(request, order, credential, caller)
        asked = await self._services.models.resolve(request.model, caller)
        if asked.effort and not request.wishes.effort:
            wishes = structs.replace(request.wishes, effort=asked.effort)
            request = structs.replace(request, wishes=wishes)
        source = _source(asked.model, caller, await self._services.files.of(request))
        build = compact_turn if request.is_compaction else build_turn
        return RunningTurn(request, credential, caller, await _built(build, request, source))

    async def _ordered(
        self, request: ChatRequest, order: PictureOrder, credential: Credential, caller: Caller
    ) -> RunningTurn:
        """Prepare an order of pictures, and the other way to draw where it may not be accepted."""
        services = self._services
        painter = await services.models.painter(request.model, caller)
        files = await services.files.of(request)

        async def drawn_by(model: CodexModel) -> CodexTurn:
            told = told_to_draw(request, order, painter.image_model)
            return await _built(build_turn, told, _source(model, caller, files))

        async def by_tool() -> CodexTurn | None:
            first = await services.models.first(caller)
            return None if first is None else await drawn_by(first)

        if painter.model is not None:
            return RunningTurn(request, credential, caller, await drawn_by(painter.model))
        payload = picture_turn(request, order, painter.image_model, files)
        return RunningTurn(request, credential, caller, payload, by_tool)

    # --- trying -----------------------------------------------------------------

    async def _push(self, turn: RunningTurn, sink: DeltaSink) -> bool:
        """Push the first try that brings an answer, or the last one; tell whether more is to come."""
        repairs = Repairs(
            self._services.retries,
            can_renew=turn.credential.kind is TokenKind.REFRESH,
            has_sealed=turn.payload.has_sealed,
            is_order=turn.by_tool is not None,
        )
        while True:
            try:
                tried = await self._services.tries.push(turn, sink)
            except (UpstreamUnreachableError, UpstreamRefusedError) as error:
                await self._take_limit(turn, error)
                await self._repair(turn, error, repairs.after(error))
                continue
            if tried.untold is None:
                return tried.goes_on
            fault = fault_of(tried.untold, turn.ending.limit if turn.ending else None)
            repair = repairs.after(fault) if fault else None
            if fault is None or repair is None:
                told: list[Delta] = [tried.untold]
                await put(sink, told)
                return False
            await self._repair(turn, fault, repair)

    async def _repair(self, turn: RunningTurn, fault: Fault, repair: Repair | None) -> None:
        """Prepare the next try.

        Raises:
            UpstreamError: the fault, if there is none.
            AuthError: the token cannot be renewed.
            TokenServiceError: the token service has a passing fault.
        """
        if repair is None:
            raise _naming_field(fault, turn)
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
            case Change.BY_TOOL:
                await turn.draw_by_tool(fault)
            case Change.NOTHING:
                self._services.metrics.upstream_retries.inc()
                await asyncio.sleep(repair.pause)

    async def _take_limit(self, turn: RunningTurn, error: Fault) -> None:
        """Let the account rest if nothing is left of what the turn is taken from."""
        if isinstance(error, CodexRefusedError) and error.limit is not None:
            await self._services.rests.rest(turn.caller, turn.scope, error.limit.resets_at)


def _source(model: CodexModel, caller: Caller, files: dict[str, InlineFile]) -> TurnSource:
    account = sealed_for(caller)
    return TurnSource(model, account, files, lambda text: unseal(text, account))


async def _built(
    build: Callable[[ChatRequest, TurnSource], CodexTurn], request: ChatRequest, source: TurnSource
) -> CodexTurn:
    """Build a turn, in a thread if there are files, whose tens of megabytes it hashes."""
    if source.files:
        return await asyncio.to_thread(build, request, source)
    return build(request, source)


def _naming_field(fault: Fault, turn: RunningTurn) -> Fault:
    """Return a fault with the field that the back end names, if it is the caller's own."""
    is_order = turn.by_tool is not None  # whose fields are OpenAI's
    return fault.naming_field() if is_order and isinstance(fault, CodexRefusedError) else fault


def _refuse_conversation(request: ChatRequest) -> None:
    if request.conversation_id is None:
        return
    message = (
        "Conversations are kept by accounts of the website's login; a Codex account keeps none. "
        "Send the messages that came before, or previous_response_id to /v1/responses."
    )
    raise NotFoundError(message, code=NOT_OFFERED, param="conversation_id")
