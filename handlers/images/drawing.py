"""Runs the turns of an image order side by side, and collects their pictures (spec 9)."""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web
from msgspec import UNSET, Struct

from handlers.answering.answers import counts_of
from handlers.answering.picture_content import picture_base64
from handlers.edge.profiles import format_for
from service.answers.images import Picture
from service.keys import CONFIG, TURNS
from service.orders.images import Drawing, ImageOrder, outcome_of_failure
from service.pipeline.usage import measure
from service.ports import BlobStore
from service.settings.config import Config
from service.vocabulary.credentials import Credential
from service.vocabulary.endings import outcome_of
from service.vocabulary.errors import ServiceError, UpstreamCutError
from service.vocabulary.events import AssetReady, Delta, Failure, Outcome
from service.vocabulary.native import UsageKnown
from service.vocabulary.rendered import TokenCounts
from service.vocabulary.requests import ChatRequest

Result = Drawing | ServiceError
Watch = Callable[[Drawing], Awaitable[None]]


async def unwatched(drawing: Drawing) -> None:
    """Ignore the progress of a turn."""
    del drawing


class Drawn(Struct, frozen=True):
    """The finished turns of one order, and the errors of those that did not begin."""

    drawings: list[Drawing]
    errors: list[ServiceError]

    @property
    def made(self) -> list[Drawing]:
        """The turns that drew a picture."""
        return [drawing for drawing in self.drawings if drawing.pictures]

    @property
    def first(self) -> Drawing | None:
        """The turn that stands for the order: the first with a picture, else the first."""
        return next(iter((*self.made, *self.drawings)), None)

    @property
    def failure(self) -> Failure | None:
        """The reason for no pictures; None if there is at least one."""
        if self.made:
            return None
        failures = [error.failure() for error in self.errors]
        failures += [failure for one in self.drawings if (failure := one.failure) is not None]
        return failures[0]

    @property
    def outcome(self) -> Outcome | None:
        """How the order ended, for log and metrics."""
        ended = self.first.gathered.ended if self.first else None
        outcome = ended.outcome if ended else None
        if (failure := self.failure) is None:
            return outcome
        if self.errors:
            return outcome_of(self.errors[0])
        return outcome_of_failure(failure, outcome)


async def draw_all(
    request: web.Request, credential: Credential, order: ImageOrder, watch: Watch = unwatched
) -> Drawn:
    """Run a turn for each picture, side by side.

    Args:
        request: the caller's.
        credential: the caller's.
        order: what to draw.
        watch: called with a turn whenever it has drawn more, and when it has ended.
    """
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(_draw_one(request, credential, chat, watch)) for chat in order.turns
        ]
    results = [task.result() for task in tasks]
    return Drawn(
        drawings=[one for one in results if isinstance(one, Drawing)],
        errors=[one for one in results if isinstance(one, ServiceError)],
    )


async def _draw_one(
    request: web.Request, credential: Credential, chat: ChatRequest, watch: Watch
) -> Result:
    """Return the drawing of one turn, or its error, so that the others go on."""
    config: Config = request.app[CONFIG]
    drawing = Drawing(format_for(chat.profile, config.bot_mode))
    try:
        await request.app[TURNS].run(chat, credential, _Watched(drawing, watch))
    except ServiceError as error:
        return error
    if drawing.gathered.ended is None:
        return UpstreamCutError("The answer ended without an end.")
    return drawing


class _Watched:
    """A sink for the deltas of a drawing, which shows its progress after each batch."""

    lane = None

    def __init__(self, drawing: Drawing, watch: Watch) -> None:
        self._drawing = drawing
        self._watch = watch
        self._has_news = False

    def feed(self, batch: list[Delta]) -> None:
        self._drawing.feed_batch(batch)
        self._has_news = True

    def is_ready(self) -> bool:
        return not self._has_news

    async def ready(self) -> None:
        if self._has_news:
            self._has_news = False
            await self._watch(self._drawing)

    def is_over(self) -> bool:
        return self._drawing.gathered.ended is not None and not self._has_news


async def picture_of(blobs: BlobStore, ready: AssetReady, *, is_base64: bool) -> Picture:
    """Return a picture as an answer contains it.

    Raises:
        StorageError: it is gone, or cannot be read.
    """
    words = ready.wanted.revised_prompt or UNSET
    if is_base64:
        content = await picture_base64(blobs, ready.name)
        return Picture(b64_json=content, revised_prompt=words)
    return Picture(url=ready.url, revised_prompt=words)


async def counted(order: ImageOrder, made: list[Drawing]) -> TokenCounts:
    """Return the tokens of these turns as the upstream tells them, else an estimate from the texts."""
    told = [usage for drawing in made if (usage := drawing.gathered.usage) is not None]
    if told:
        return counts_of(sum(told, UsageKnown(0, 0)))
    content = "\n".join(drawing.gathered.content for drawing in made)
    reasoning = "\n".join(drawing.gathered.reasoning for drawing in made)
    return await measure([order.text] * len(made), content, reasoning)
