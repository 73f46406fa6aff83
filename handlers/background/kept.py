"""What of the Responses API is kept for its callers, by the settings of the gateway."""

from contextlib import suppress

from aiohttp import web
from msgspec import convert, structs, to_builtins

from handlers.background.lost_output import LOST, LostOutput
from handlers.background.running import RUNNING
from service.answers.responses import ModelResponse, ResponseError
from service.keys import CONFIG, STATE
from service.turns.kept_conversations import KeptConversations
from service.turns.kept_events import KeptEvents
from service.turns.kept_responses import KeptResponse, KeptResponses
from service.turns.kept_values import KeepLimits, KeptValues
from service.turns.writers import Writers
from service.vocabulary.errors import LockTimeoutError

_DAY_SECONDS = 86_400.0


def kept_values(app: web.Application) -> KeptValues:
    """Return the store of all that is kept, for as long as files are."""
    config = app[CONFIG]
    sizes = config.responses
    limits = KeepLimits(
        config.files.keep_days * _DAY_SECONDS, sizes.max_bytes_per_owner, sizes.max_bytes
    )
    return KeptValues(app[STATE], limits)


def kept_responses(app: web.Application) -> KeptResponses:
    """Return the store of responses."""
    return KeptResponses(kept_values(app))


def kept_conversations(app: web.Application) -> KeptConversations:
    """Return the store of conversations."""
    return KeptConversations(kept_values(app))


def kept_events(app: web.Application, owner: str, response_id: str) -> KeptEvents:
    """Return the store of one response's events."""
    return KeptEvents(kept_values(app), owner, response_id)


def writers(app: web.Application) -> Writers:
    """Return the known writers of responses in all processes."""
    return Writers(kept_values(app))


async def found_response(app: web.Application, owner: str, response_id: str) -> KeptResponse | None:
    """Return the owner's response of this id, or None; the id is untrusted.

    One that is unfinished and that no process writes any more has failed, and is kept so.
    """
    kept = await kept_responses(app).find(owner, response_id)
    if kept is None or not kept.is_unfinished or await is_written(app, owner, response_id):
        return kept
    return await _without_writer(app, owner, response_id)


async def is_written(app: web.Application, owner: str, response_id: str) -> bool:
    """Tell whether a process writes a response; call it only for one that the owner has.

    Where only waiting can tell that a process has died, the wait begins, and this is true until it
    is over.
    """
    running = app[RUNNING]
    if running.find(owner, response_id):
        return True
    known = writers(app)
    if not await known.is_held(owner, response_id):
        return False

    async def outlive() -> None:
        with suppress(LockTimeoutError):
            async with known.outliving(owner, response_id):
                await _without_writer(app, owner, response_id)

    running.watch(owner, response_id, outlive)
    return True


async def _without_writer(
    app: web.Application, owner: str, response_id: str
) -> KeptResponse | None:
    """Return a response that no process writes any more, and keep it as failed if need be."""
    responses = kept_responses(app)
    kept = await responses.find(owner, response_id)  # it may have ended meanwhile
    if kept is None or not kept.is_unfinished:
        return kept
    output = (await lost_output(app, owner, response_id)).items
    error = structs.asdict(ResponseError(LOST.code or LOST.type, LOST.message))
    failed = {"status": "failed", "error": error, "output": to_builtins(output)}
    lost = structs.replace(kept, response={**kept.response, **failed})
    await responses.keep(owner, lost)
    return lost


async def lost_output(app: web.Application, owner: str, response_id: str) -> LostOutput:
    """Return the output of a response whose writer is gone, by its events."""
    output, events, number = LostOutput(), kept_events(app, owner, response_id), 0
    while (part := await events.find(number)) is not None:
        output.feed(part.frames)
        number += 1
    return output


def as_response(kept: KeptResponse) -> ModelResponse:
    """Return the object of a kept response as the record that events have."""
    return convert(kept.response, ModelResponse)


async def forget_response(app: web.Application, owner: str, response_id: str) -> bool:
    """Delete a response with its events; return whether there was one."""
    is_there = await kept_responses(app).delete(owner, response_id)
    if is_there:
        await kept_events(app, owner, response_id).delete()
    return is_there
