"""Joins the stages behind one answer; every dialect of text encodes its result."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from aiohttp import web

from handlers.edge.headers import OVERHEAD
from handlers.edge.profiles import format_for
from handlers.edge.record import RECORD, Record
from service.demands.instructions import instructed
from service.keys import CONFIG, METRICS, TURNS
from service.pipeline.fast_lane import FastLane, Outlet
from service.pipeline.joined import Stage
from service.pipeline.usage import loaded_encoding, measure
from service.ports import Lane
from service.sink import Sink
from service.stages.encode.gathered import Gathered
from service.stages.render.bot_format import RAW, Render
from service.stages.render.flat import Flatten
from service.stages.render.limit import Limit
from service.vocabulary.credentials import Credential
from service.vocabulary.endings import outcome_of
from service.vocabulary.errors import ServiceError, UpstreamCutError
from service.vocabulary.events import Delta
from service.vocabulary.native import UsageKnown
from service.vocabulary.rendered import Rendered, TokenCounts
from service.vocabulary.requests import ChatRequest


class RenderedSink(Sink[Rendered], Protocol):
    """Takes a rendered answer; plain text may come by `put` instead, through the fast lane."""

    @property
    def outlet(self) -> Outlet | None:
        """Where the fast lane sends text; None where all has to come through `feed`."""


class Staged:
    """A sink with stages before it; batches that became empty are not passed on.

    Args:
        sink: takes what the last stage makes.
        lane: the way beside the stages, if none of them has to see the text.
        stages: in their order; each takes what the one before it makes.
    """

    def __init__(self, sink: Sink[Any], lane: Lane | None, *stages: Stage[Any, Any]) -> None:
        self.lane = lane
        self.is_ready = sink.is_ready
        self.ready = sink.ready
        self.is_over = sink.is_over
        self._sink = sink
        self._stages = [stage.feed for stage in stages]

    def feed(self, batch: list[Delta]) -> None:
        """Pass on what the stages make of a batch."""
        made: list[Any] = batch
        for feed in self._stages:
            made = [piece for item in made for piece in feed(item)]
        if made:
            self._sink.feed(made)


# All that an answer is made of, each named in the docstring.
async def answered(  # noqa: PLR0913 - see above
    sink: RenderedSink,
    app: web.Application,
    record: Record,
    chat: ChatRequest,
    credential: Credential,
    *,
    is_flat: bool = True,
) -> None:
    """Run a turn, and push its answer through the stages into a sink.

    Args:
        sink: takes the rendered answer.
        app: of the gateway.
        record: of the request; it learns which stage renders the answer.
        chat: what is asked.
        credential: the caller's.
        is_flat: the dialect has one text and no items.

    Raises:
        ServiceError: the turn failed before its first batch.
    """
    config, demand = app[CONFIG], chat.demand
    bot_format = format_for(chat.profile, config.bot_mode)
    if demand is not None and demand.json_format is not None:
        bot_format = RAW  # pictures and links beside JSON would break it
    render = Render(bot_format)
    record.render = render
    stages: list[Stage[Any, Any]] = [render]
    if is_flat:
        stages.append(Flatten())
    lane = None if sink.outlet is None else FastLane(render, sink.outlet)
    if chat.max_tokens is not None or chat.stop:
        encoding = None if chat.max_tokens is None else await loaded_encoding()
        stages.append(Limit(chat.max_tokens, chat.stop, encoding))
        lane = None
    try:
        await app[TURNS].run(chat, credential, Staged(sink, lane, *stages))
    finally:
        if lane is not None:  # an abandoned answer is counted to its last word
            lane.settle()


async def usage_of(chat: ChatRequest, gathered: Gathered) -> TokenCounts:
    """Return the upstream's token counts, else an estimate from the texts."""
    if gathered.usage is not None:
        return counts_of(gathered.usage)
    spent = gathered.spent
    prompt = [message.text for message in instructed(chat).messages]
    prompt += [text for each in spent for text in each.sent]
    answer = [gathered.content, *(f"{call.name}{call.arguments}" for call in gathered.calls)]
    answer += [each.received for each in spent]
    return await measure(prompt, "".join(answer), gathered.reasoning)


def counts_of(told: UsageKnown) -> TokenCounts:
    """Return the upstream's own token counts."""
    return TokenCounts(
        told.prompt_tokens,
        told.completion_tokens,
        told.reasoning_tokens,
        told.cached_tokens,
        is_estimated=False,
        picture_tokens=told.picture_tokens,
    )


def watch_usage(record: Record, gathered: Gathered) -> None:
    """Let the tokens of an answer be counted even if it does not come to its end."""

    async def so_far(record: Record) -> TokenCounts | None:
        has_begun = gathered.content or gathered.reasoning or gathered.calls or gathered.spent
        if record.chat is None or not has_begun:
            return None
        return await usage_of(record.chat, gathered)

    record.gathered, record.count = gathered, so_far


class Collected:
    """A sink for an answer of which nothing is sent before its end; never full.

    Args:
        gathered: the sum of the batches.
        take: called with each batch; None: `gathered` takes them, and the fast lane is open.
    """

    def __init__(
        self, gathered: Gathered, take: Callable[[list[Rendered]], None] | None = None
    ) -> None:
        self.gathered = gathered
        self.feed = take or gathered.feed_batch
        self.is_open = take is None

    def is_ready(self) -> bool:
        """Return True, since nothing can hold an answer up."""
        return True

    async def ready(self) -> None:
        """Return at once."""

    def is_over(self) -> bool:
        """Tell whether the answer has ended."""
        return self.gathered.ended is not None

    # The outlet of the fast lane.

    @property
    def outlet(self) -> Outlet | None:
        """Itself, unless each batch goes to `take`."""
        return self if self.is_open else None

    def put(self, _text: str) -> bool:
        """Return True and do nothing else; `gather` gets the same text."""
        return True

    def gather(self, pieces: list[Rendered]) -> None:
        """Take pieces of the answer."""
        self.gathered.feed_batch(pieces)


async def collected(answering: Awaitable[None], gathered: Gathered, record: Record) -> float:
    """Wait for an answer that is collected, and note in the record how it ended.

    Args:
        answering: pushes the answer.
        gathered: the sum of what was pushed.
        record: of the request.

    Returns:
        The seconds spent waiting for the upstream.

    Raises:
        ServiceError: the turn failed before its first event.
    """
    loop = asyncio.get_running_loop()
    asked_at = loop.time()
    watch_usage(record, gathered)
    try:
        await answering
        if gathered.ended is None:
            raise UpstreamCutError("The answer ended without an end.")
    except ServiceError as error:
        record.outcome = outcome_of(error)
        raise
    record.learn(gathered)
    return loop.time() - asked_at


def overhead_header(request: web.Request, waited: float) -> dict[str, str]:
    """Return the header with the gateway's own time, which excludes the seconds waited."""
    overhead = asyncio.get_running_loop().time() - request[RECORD].received_at - waited
    request.app[METRICS].overhead_seconds.observe(overhead)
    return {OVERHEAD: f"{overhead * 1000:.1f}"}
