"""The stages behind one answer, joined: what every dialect of text encodes."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from aiohttp import web

from handlers.headers import OVERHEAD
from handlers.profiles import format_for
from handlers.record import RECORD, Record, outcome_of
from service.chat import ChatRequest
from service.compliance import complied
from service.credentials import Credential
from service.errors import ServiceError, UpstreamCutError
from service.keys import CONFIG, METRICS, TURNS
from service.pipeline import through
from service.rendered import Rendered
from service.stages.bot_format import RAW, Render
from service.stages.encode import Gathered
from service.stages.limit import Limit
from service.usage import Usage, loaded_encoding, measure

Source = AsyncGenerator[list[Rendered], None]


async def rendered(request: web.Request, chat: ChatRequest, credential: Credential) -> Source:
    """Join the stages behind a turn; nothing is sent before the first batch is asked for."""
    config, demand = request.app[CONFIG], chat.demand
    bot_format = format_for(chat.profile, config.bot_mode)
    encoding = None if chat.max_tokens is None else await loaded_encoding()
    if demand is None:
        deltas = request.app[TURNS].run(chat, credential)
    else:
        if demand.json_format is not None:
            bot_format = RAW  # pictures and links beside it would make it no JSON
        is_kept = not (config.conversation.temporary or config.conversation.delete_after_response)
        deltas = complied(request.app[TURNS], chat, demand, credential, is_kept=is_kept)
    source = through(deltas, Render(bot_format))
    if encoding is None and not chat.stop:
        return source
    return through(source, Limit(chat.max_tokens, chat.stop, encoding))


async def usage_of(chat: ChatRequest, gathered: Gathered) -> Usage:
    """Count what was sent for an answer and what came back."""
    spent = gathered.spent
    prompt = [message.text for message in chat.messages]
    prompt += [text for each in spent for text in each.sent]
    answer = [gathered.content, *(f"{call.name}{call.arguments}" for call in gathered.calls)]
    answer += [each.received for each in spent]
    return await measure(prompt, "".join(answer), gathered.reasoning)


async def collected(
    source: Source, record: Record, take: Callable[[list[Rendered]], None], gathered: Gathered
) -> float:
    """Take an answer to its end, and let its record learn how it ended.

    Args:
        source: the batches of the answer.
        record: of the request.
        take: is given each batch.
        gathered: what those that were taken add up to.

    Returns:
        The seconds this took, which are the upstream's and not ours.

    Raises:
        ServiceError: the turn failed before its first event.
    """
    loop = asyncio.get_running_loop()
    asked_at = loop.time()
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
    """Return the header that tells what this gateway took, without the seconds waited."""
    overhead = asyncio.get_running_loop().time() - request[RECORD].received_at - waited
    request.app[METRICS].overhead_seconds.observe(overhead)
    return {OVERHEAD: f"{overhead * 1000:.1f}"}
