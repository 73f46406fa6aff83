"""One response while it is made, in the foreground or in the background: its turn, and what is kept."""

import logging
import time
from contextlib import suppress
from typing import Any

import msgspec
from aiohttp import web
from msgspec import Struct, structs

from handlers.answering.answers import RenderedSink, answered, usage_of
from handlers.answering.picture_content import picture_base64, without_content
from handlers.background.event_log import EventLog
from handlers.background.kept import kept_conversations, kept_events, kept_responses
from handlers.background.running import Running
from handlers.edge.record import Record
from service.answers.responses import ModelResponse
from service.keys import ACCEPTANCE, BLOBS, CONFIG
from service.ports import BlobStore
from service.stages.encode.responses import ResponseEvents
from service.turns.kept_conversations import KeptConversation
from service.turns.kept_responses import KeptResponse
from service.vocabulary.credentials import Credential
from service.vocabulary.errors import ServiceError, StorageError
from service.vocabulary.events import AssetKind
from service.vocabulary.rendered import AssetLinked, Rendered, TokenCounts
from service.vocabulary.requests import ChatRequest

_log = logging.getLogger("gateway.responses")


class Asked(Struct, frozen=True):
    """A response to be made, with its owner and whether it is kept.

    `items` is its input, `begun` the response object before anything has arrived, `conversation`
    the one that it is part of, as it was when the response was asked for.
    """

    owner: str
    is_kept: bool
    chat: ChatRequest
    items: list[dict[str, Any]]
    begun: ModelResponse
    conversation: KeptConversation | None = None


class Making:
    """One response while it is made.

    Args:
        app: of the gateway.
        record: learns of the turn.
        credential: the caller's.
        asked: what to make.
    """

    def __init__(
        self, app: web.Application, record: Record, credential: Credential, asked: Asked
    ) -> None:
        demand, is_background = asked.chat.demand, asked.begun.background
        self.asked = asked
        self.events = ResponseEvents(
            asked.begun,
            demand.functions if demand else (),
            is_temporary=app[CONFIG].conversation.temporary,
            shows_sealed=asked.chat.wishes.is_sealed_wanted,
            is_queued=is_background,
        )
        log = EventLog(kept_events(app, asked.owner, asked.begun.id)) if is_background else None
        self.running = Running(self.events, is_kept=asked.is_kept, log=log)
        self._app = app
        self._record = record
        self._credential = credential

    async def push(self, sink: RenderedSink, *, has_pictures: bool) -> None:
        """Push the answer into a sink, until it ends or is cancelled.

        Args:
            sink: encodes the answer.
            has_pictures: what it encodes holds the content of its pictures.
        """
        app, record, chat = self._app, self._record, self.asked.chat
        into = WithPictures(sink, app[BLOBS], self.events.pictures) if has_pictures else sink
        answering = answered(into, app, record, chat, self._credential, is_flat=False)
        await self.running.run(answering, sink)

    async def settle(self) -> TokenCounts:
        """Count the tokens and keep the answer, before its caller can continue from it."""
        counts = await usage_of(self.asked.chat, self.events.gathered)
        self._record.usage = self.running.counts = counts
        self.events.completed_at = int(time.time())
        await self.keep(self.events.response(counts))
        return counts

    async def keep(self, response: ModelResponse) -> bool:
        """Keep the response as it is now, if it is to be kept; return whether it is."""
        if not self.running.is_kept or not await self._is_accepted():
            return False
        kept = KeptResponse(
            response=msgspec.to_builtins(structs.replace(response, output=_bare(response))),
            input_items=self.asked.items,
            conversation_id=self._place[0],
            message_id=self._place[1],
            sealed=self.events.sealed,
            cache_key=self.events.gathered.facts.cache_key,
        )
        if response.status in ("completed", "incomplete"):
            await self._go_on(response)
        return await kept_responses(self._app).keep(self.asked.owner, kept)

    @property
    def _place(self) -> tuple[str | None, str | None]:
        """The conversation and message at the upstream; None where it keeps none."""
        facts, settings = self.events.gathered.facts, self._app[CONFIG].conversation
        is_gone = settings.temporary or settings.delete_after_response
        return (None, None) if is_gone else (facts.conversation_id, facts.message_id)

    async def _go_on(self, response: ModelResponse) -> None:
        """Add what was asked and answered to the conversation that the response is part of."""
        before = self.asked.conversation
        if before is None:
            return
        new = [*self.asked.items, *msgspec.to_builtins(_bare(response))]
        conversations = kept_conversations(self._app)
        async with conversations.changing(self.asked.owner, before.id) as change:
            if change is None:
                return  # it was deleted meanwhile
            conversation_id, message_id = self._place
            is_same = change.now.items == before.items
            change.now = structs.replace(
                change.now,
                items=[*change.now.items, *new],
                conversation_id=conversation_id if is_same else None,
                message_id=message_id if is_same else None,
                sealed={**change.now.sealed, **self.events.sealed},
                cache_key=self.events.gathered.facts.cache_key or change.now.cache_key,
            )

    async def _is_accepted(self) -> bool:
        """Tell whether the upstream accepts the caller's token; otherwise nothing is kept."""
        try:
            await self._app[ACCEPTANCE].confirm(self._credential)
        except ServiceError as error:
            _log.info("response %s is not kept: %s", self.asked.begun.id, error)
            return False
        return True


class WithPictures:
    """A sink that loads the content of an answer's pictures before they are encoded."""

    def __init__(self, sink: RenderedSink, blobs: BlobStore, pictures: dict[str, str]) -> None:
        self.outlet = sink.outlet
        self.is_over = sink.is_over
        self._sink = sink
        self._blobs = blobs
        self._pictures = pictures
        self._held: list[Rendered] = []

    def feed(self, batch: list[Rendered]) -> None:
        """Pass a batch on, or hold it for its pictures."""
        if self._held or any(_is_picture(piece) for piece in batch):
            self._held += batch
        else:
            self._sink.feed(batch)

    def is_ready(self) -> bool:
        """Tell whether nothing is held."""
        return not self._held and self._sink.is_ready()

    async def ready(self) -> None:
        """Load the pictures of what is held, and pass it on."""
        held, self._held = self._held, []
        for piece in held:
            if isinstance(piece, AssetLinked) and _is_picture(piece):
                with suppress(StorageError):  # the picture has a link, too
                    self._pictures[piece.url] = await picture_base64(self._blobs, piece.name)
        if held:
            self._sink.feed(held)
        await self._sink.ready()


def _is_picture(piece: Rendered) -> bool:
    return isinstance(piece, AssetLinked) and piece.kind is AssetKind.PICTURE


def _bare(response: ModelResponse) -> list[Any]:
    return [without_content(item) for item in response.output]
