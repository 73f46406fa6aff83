"""The stages behind one answer, joined: what every dialect of text encodes."""

from collections.abc import AsyncGenerator

from aiohttp import web

from handlers.profiles import format_for
from service.chat import ChatRequest
from service.credentials import Credential
from service.keys import CONFIG, TURNS
from service.pipeline import through
from service.rendered import Rendered
from service.stages.bot_format import Render
from service.stages.encode import Gathered
from service.stages.limit import Limit
from service.usage import Usage, loaded_encoding, measure

Source = AsyncGenerator[list[Rendered], None]


async def rendered(request: web.Request, chat: ChatRequest, credential: Credential) -> Source:
    """Join the stages behind a turn; nothing is sent before the first batch is asked for."""
    bot_format = format_for(chat.profile, request.app[CONFIG].bot_mode)
    encoding = None if chat.max_tokens is None else await loaded_encoding()
    source = through(request.app[TURNS].run(chat, credential), Render(bot_format))
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
