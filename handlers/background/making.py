"""One response while it is made, in the foreground or in the background: its turn, and what is kept."""

import logging
import time
from contextlib import aclosing, suppress
from typing import Any

import msgspec
from aiohttp import web
from msgspec import Struct, structs

from handlers.answering.answers import Source, rendered, usage_of
from handlers.answering.picture_content import picture_base64, without_content
from handlers.background.event_log import EventLog
from handlers.background.kept import kept_conversations, kept_events, kept_responses
from handlers.background.running import Running
from handlers.edge.record import Record
from service.answers.responses import ModelResponse
from service.keys import ACCEPTANCE, BLOBS, CONFIG
from service.pipeline.fast_lane import Outlet
from service.ports import BlobStore
from service.stages.encode.responses import ResponseEvents
from service.turns.kept_conversations import KeptConversation
from service.turns.kept_responses import KeptResponse
from service.vocabulary.credentials import Credential
from service.vocabulary.errors import ServiceError, StorageError
from service.vocabulary.events import AssetKind
from service.vocabulary.rendered import AssetLinked, TokenCounts
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

    async def source(self, outlet: Outlet | None = None) -> Source:
        """Return the batches of the turn, until it ends or is cancelled."""
        chat, credential = self.asked.chat, self._credential
        source = await rendered(self._app, self._record, chat, credential, outlet, is_flat=False)
        return self.running.watch(source)

    async def source_with_pictures(self, outlet: Outlet | None = None) -> Source:
        """Return the same, for events and objects that hold their pictures."""
        return with_pictures(await self.source(outlet), self._app[BLOBS], self.events.pictures)

    async def settle(self) -> TokenCounts:
        """Count the tokens and keep the answer, before its caller can continue from it."""
        self._record.usage = counts = await usage_of(self.asked.chat, self.events.gathered)
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


async def with_pictures(source: Source, blobs: BlobStore, pictures: dict[str, str]) -> Source:
    """Pass an answer on, and load the content of its pictures before it is encoded."""
    async with aclosing(source):
        async for batch in source:
            for piece in batch:
                if isinstance(piece, AssetLinked) and piece.kind is AssetKind.PICTURE:
                    with suppress(StorageError):  # the picture has a link, too
                        pictures[piece.url] = await picture_base64(blobs, piece.name)
            yield batch


def _bare(response: ModelResponse) -> list[Any]:
    return [without_content(item) for item in response.output]
