"""Joins the stages behind one answer; every dialect of text encodes its result."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from aiohttp import web

from handlers.edge.headers import OVERHEAD
from handlers.edge.profiles import format_for
from handlers.edge.record import RECORD, Record
from service.demands.instructions import instructed
from service.keys import CONFIG, METRICS, TURNS
from service.pipeline.fast_lane import FastLane, Outlet
from service.pipeline.joined import through
from service.pipeline.usage import loaded_encoding, measure
from service.stages.encode.gathered import Gathered
from service.stages.render.bot_format import RAW, Render
from service.stages.render.flat import Flatten
from service.stages.render.limit import Limit
from service.vocabulary.credentials import Credential
from service.vocabulary.endings import outcome_of
from service.vocabulary.errors import ServiceError, UpstreamCutError
from service.vocabulary.rendered import Rendered, TokenCounts
from service.vocabulary.requests import ChatRequest

Source = AsyncGenerator[list[Rendered], None]


async def rendered(
    request: web.Request,
    chat: ChatRequest,
    credential: Credential,
    outlet: Outlet | None = None,
    *,
    is_flat: bool = True,
) -> Source:
    """Join the stages behind a turn; nothing is sent before the first batch is requested.

    Args:
        request: the caller's request.
        chat: what it asks.
        credential: the caller's.
        outlet: where the fast lane may send text, if no other stage has to see it.
        is_flat: the dialect has one text and no items.
    """
    config, demand, turns = request.app[CONFIG], chat.demand, request.app[TURNS]
    bot_format = format_for(chat.profile, config.bot_mode)
    encoding = None if chat.max_tokens is None else await loaded_encoding()
    if demand is not None and demand.json_format is not None:
        bot_format = RAW  # pictures and links beside JSON would break it
    render, is_limited = Render(bot_format), encoding is not None or bool(chat.stop)
    request[RECORD].render = render
    lane = None if outlet is None or is_limited else FastLane(render, outlet)
    source = through(turns.run(chat, credential, lane), render)
    if is_flat:
        source = through(source, Flatten())
    if not is_limited:
        return source
    return through(source, Limit(chat.max_tokens, chat.stop, encoding))


async def usage_of(chat: ChatRequest, gathered: Gathered) -> TokenCounts:
    """Return the upstream's token counts, else an estimate from the texts."""
    if (told := gathered.usage) is not None:
        return TokenCounts(
            told.prompt_tokens,
            told.completion_tokens,
            told.reasoning_tokens,
            told.cached_tokens,
            is_estimated=False,
        )
    spent = gathered.spent
    prompt = [message.text for message in instructed(chat).messages]
    prompt += [text for each in spent for text in each.sent]
    answer = [gathered.content, *(f"{call.name}{call.arguments}" for call in gathered.calls)]
    answer += [each.received for each in spent]
    return await measure(prompt, "".join(answer), gathered.reasoning)


def watch_usage(record: Record, gathered: Gathered) -> None:
    """Let the tokens of an answer be counted even if it does not come to its end."""

    async def so_far() -> TokenCounts | None:
        has_begun = gathered.content or gathered.reasoning or gathered.calls or gathered.spent
        if record.chat is None or not has_begun:
            return None
        return await usage_of(record.chat, gathered)

    record.gathered, record.count = gathered, so_far


class Collecting:
    """The outlet of an answer that is collected before any of it is sent."""

    def __init__(self, gathered: Gathered) -> None:
        self._gathered = gathered

    def is_ready(self) -> bool:
        """Return True, since nothing can hold text up."""
        return True

    def put(self, text: str) -> None:
        """Do nothing; `gather` gets the same text."""

    def gather(self, pieces: list[Rendered]) -> None:
        """Take pieces of the answer."""
        self._gathered.feed_batch(pieces)


async def collected(
    source: Source, record: Record, take: Callable[[list[Rendered]], None], gathered: Gathered
) -> float:
    """Read an answer to its end, and note in the record how it ended.

    Args:
        source: the batches of the answer.
        record: of the request.
        take: called with each batch.
        gathered: the sum of the batches taken.

    Returns:
        The seconds spent waiting for the upstream.

    Raises:
        ServiceError: the turn failed before its first event.
    """
    loop = asyncio.get_running_loop()
    asked_at = loop.time()
    watch_usage(record, gathered)
    try:
        async with aclosing(source):
            async for batch in source:
                take(batch)
                if gathered.ended is not None:
                    record.learn(gathered)
                    return loop.time() - asked_at
        raise UpstreamCutError("The answer ended without an end.")
    except ServiceError as error:
        record.outcome = outcome_of(error)
        raise


def overhead_header(request: web.Request, waited: float) -> dict[str, str]:
    """Return the header with the gateway's own time, which excludes the seconds waited."""
    overhead = asyncio.get_running_loop().time() - request[RECORD].received_at - waited
    request.app[METRICS].overhead_seconds.observe(overhead)
    return {OVERHEAD: f"{overhead * 1000:.1f}"}
