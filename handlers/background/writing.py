"""Writes a response in the background: it goes on without its caller, and is read from what is kept."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

from aiohttp import web

from handlers.answering.answers import watch_usage
from handlers.background.event_log import EventLog
from handlers.background.following import followed
from handlers.background.kept import forget_response, writers
from handlers.background.making import Asked, Making
from handlers.background.running import RUNNING
from handlers.edge.admission import GATEWAY_KEY
from handlers.edge.headers import reply_headers
from handlers.edge.json_replies import json_response
from handlers.edge.record import RECORD, Record, close_turn
from service.keys import ACCEPTANCE, CONFIG, KEY_LIMITS
from service.observing.faults import log_fault
from service.turns.writers import Stop
from service.vocabulary.credentials import Credential
from service.vocabulary.endings import outcome_of
from service.vocabulary.errors import OverloadedError, ServiceError, StorageError, UpstreamCutError
from service.vocabulary.events import Failure
from service.vocabulary.gateway_keys import GatewayKey
from service.vocabulary.rendered import Rendered

LOOK_SECONDS = 1.0  # between looks for a note to stop
_BUSY_SECONDS = 5.0  # of Retry-After


async def in_background(
    request: web.Request, asked: Asked, credential: Credential
) -> web.StreamResponse:
    """Start to write a response, and answer with it as it is queued, or with its events.

    Raises:
        AuthError: the upstream does not accept the credential.
        KeyLimitError: the caller has as many responses in the background as it may have.
        OverloadedError: this process has.
        StorageError: the response cannot be kept.
    """
    app = request.app
    await app[ACCEPTANCE].confirm(credential)
    record = Record(request[RECORD].request_id, request[RECORD].received_at)
    record.upstream, record.gateway_key = request[RECORD].upstream, request[RECORD].gateway_key
    record.credential, record.chat = credential, asked.chat
    writer = _Writer(app, record, credential, asked, request.get(GATEWAY_KEY))
    limit = app[CONFIG].server.max_requests
    if not app[RUNNING].start(writer.run(), limit):
        message = "The server has too many responses in the background; please try again shortly."
        raise OverloadedError(message, retry_after_seconds=_BUSY_SECONDS)
    await asyncio.shield(writer.begun)  # it goes on if the caller leaves
    request[RECORD].goes_on = True
    if asked.chat.is_stream:
        return await followed(request, asked.owner, asked.begun.id)
    headers = reply_headers(ignored_fields=asked.chat.ignored_fields)
    return json_response(writer.queued, headers=headers)


class _Writer:
    """Writes one response; `begun` is done once it can be read in any process."""

    def __init__(
        self,
        app: web.Application,
        record: Record,
        credential: Credential,
        asked: Asked,
        key: GatewayKey | None,
    ) -> None:
        self.begun = asyncio.get_running_loop().create_future()
        self._app = app
        self._record = record
        self._secrets = [secret for secret in (credential.token, credential.account_id) if secret]
        self._key = key
        self._asked = asked
        self._making = Making(app, record, credential, asked)
        self.queued = self._making.events.response()

    async def run(self) -> None:
        """Write the response to its end."""
        asked, running = self._asked, self._making.running
        try:
            async with AsyncExitStack() as stack:
                await self._enter(stack)
                with self._app[RUNNING].entered(asked.owner, asked.begun.id, running):
                    self.begun.set_result(None)
                    await self._write()
                await self._forget_if_asked()
        except ServiceError as error:
            self._refuse(error)
        except Exception as error:  # noqa: BLE001 - the outermost edge: a bug is logged
            log_fault(error, self._record.request_id, self._secrets)
            self._refuse(ServiceError("This server met an unexpected fault."))

    async def _enter(self, stack: AsyncExitStack) -> None:
        owner, response_id = self._asked.owner, self._asked.begun.id
        await stack.enter_async_context(self._app[KEY_LIMITS].background(owner, self._key))
        await stack.enter_async_context(writers(self._app).writing(owner, response_id))
        if not await self._making.keep(self.queued):
            message = "A response in the background has to be kept, and cannot be kept now."
            raise StorageError(message)

    def _refuse(self, error: ServiceError) -> None:
        if not self.begun.done():
            self.begun.set_exception(error)
            self.begun.exception()  # the caller may have left

    async def _write(self) -> None:
        events, log = self._making.events, self._making.running.log
        if log is None:
            raise RuntimeError("a response in the background has a log")
        log.add(events.opening)
        try:
            async with _beside(log.run(), self._look_for_notes()):
                failure = await self._read(log)
            if failure is None:
                end = events.finish(await self._making.settle())
            else:
                end = events.fail(failure)
                await self._making.keep(events.response())
            await log.end(end)
        finally:
            close_turn(self._app, self._record, "a response in the background has ended")

    async def _read(self, log: EventLog) -> Failure | None:
        """Read the turn to its end; return how it failed."""
        gathered = self._making.events.gathered
        watch_usage(self._record, gathered)
        try:
            await self._making.push(_Logging(self._making, log), has_pictures=False)
            if gathered.ended is None:
                raise UpstreamCutError("The answer ended without an end.")
        except ServiceError as error:
            self._record.outcome = outcome_of(error)
            return error.failure()
        self._record.learn(gathered)
        return gathered.ended.failure

    async def _look_for_notes(self) -> None:
        """Stop the turn when another process has left a note to stop."""
        running, known = self._making.running, writers(self._app)
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            stop = await known.asked(self._asked.owner, self._asked.begun.id)
            if stop is Stop.DELETE:
                running.is_kept = False
            if stop is not None:
                running.stop()

    async def _forget_if_asked(self) -> None:
        """Delete what was kept of a response that was deleted while it was written."""
        owner, response_id = self._asked.owner, self._asked.begun.id
        stop = await writers(self._app).asked(owner, response_id)
        if stop is Stop.DELETE or not self._making.running.is_kept:
            await forget_response(self._app, owner, response_id)


class _Logging:
    """The sink of a response in the background: its events go into the log."""

    outlet = None

    def __init__(self, making: Making, log: EventLog) -> None:
        self._making = making
        self._events = making.events
        self._log = log
        self._has_begun_now = False

    def feed(self, batch: list[Rendered]) -> None:
        """Take a batch; the first one tells that the response is in progress."""
        if begin := self._events.begin():
            self._has_begun_now = True
            self._log.add(begin)
        self._log.add(self._events.feed_batch(batch))

    def is_ready(self) -> bool:
        """Tell whether other processes know that it is in progress."""
        return not self._has_begun_now

    async def ready(self) -> None:
        """Tell them, the first time."""
        if self._has_begun_now:
            self._has_begun_now = False
            if not self.is_over():
                await self._making.keep(self._events.response())

    def is_over(self) -> bool:
        """Tell whether the answer has ended."""
        return self._events.gathered.ended is not None


@asynccontextmanager
async def _beside(*jobs: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run jobs for as long as the block lasts."""
    tasks = [asyncio.ensure_future(job) for job in jobs]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)
