"""What of the Responses API is kept for its callers, by the settings of the gateway."""

from aiohttp import web
from msgspec import convert, structs

from handlers.background.running import RUNNING
from service.answers.responses import ModelResponse, ResponseError
from service.keys import CONFIG, STATE
from service.stages.encode.responses import LOST
from service.turns.kept_conversations import KeptConversations
from service.turns.kept_events import KeptEvents
from service.turns.kept_responses import KeptResponse, KeptResponses
from service.turns.kept_values import KeepLimits, KeptValues
from service.turns.writers import Writers

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
    """Return what is known of the writers of responses in all processes."""
    return Writers(kept_values(app))


async def found_response(app: web.Application, owner: str, response_id: str) -> KeptResponse | None:
    """Return the owner's response of this id, or None; the id is untrusted.

    One that is unfinished and that no process writes any more has failed, and is kept so.
    """
    responses = kept_responses(app)
    kept = await responses.find(owner, response_id)
    if kept is None or not kept.is_unfinished or app[RUNNING].find(owner, response_id):
        return kept
    if await writers(app).is_written(owner, response_id):
        return kept
    kept = await responses.find(owner, response_id)  # it may have ended meanwhile
    if kept is None or not kept.is_unfinished:
        return kept
    lost = structs.replace(kept, response=_failed(kept))
    await responses.keep(owner, lost)
    return lost


def _failed(kept: KeptResponse) -> dict[str, object]:
    error = structs.asdict(ResponseError(LOST.code or LOST.type, LOST.message))
    return {**kept.response, "status": "failed", "error": error}


def as_response(kept: KeptResponse) -> ModelResponse:
    """Return the object of a kept response as the record that events have."""
    return convert(kept.response, ModelResponse)


async def forget_response(app: web.Application, owner: str, response_id: str) -> bool:
    """Delete a response with its events; return whether there was one."""
    is_there = await kept_responses(app).delete(owner, response_id)
    if is_there:
        await kept_events(app, owner, response_id).delete()
    return is_there
