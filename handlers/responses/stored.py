"""`/v1/responses/{id}`: responses that are kept, and those being written (openai-wire 8, spec 18).

A response exists for its owner only. One that is written in the foreground is known only to the
process that writes it; one in the background is known to all.
"""

import asyncio
import re
from typing import Any

from aiohttp import web
from msgspec import structs

from handlers.answering.picture_content import with_content
from handlers.background.following import followed
from handlers.background.kept import forget_response, found_response, writers
from handlers.background.running import CANCEL_SECONDS, RUNNING, Running
from handlers.edge.headers import credential_of
from handlers.edge.json_replies import json_response
from handlers.reading.json_body import quoted, refusal
from handlers.reading.paging import in_order, page_of
from handlers.responses.listed_items import input_items
from service.answers.responses import DeletedResponse, InputItemList, ModelResponse
from service.keys import BLOBS
from service.turns.kept_responses import KeptResponse
from service.turns.writers import Stop
from service.vocabulary.errors import NotFoundError

_DEFAULTS: dict[str, Any] = {
    field.name: field.default
    for field in structs.fields(ModelResponse)
    if isinstance(field.default, float | int | str | None)
}
DEFAULT_PAGE, MAX_PAGE = 20, 100  # OpenAI's own
_LOOK_SECONDS = 0.2  # between looks at a response that another process is to cancel
_NUMBER = re.compile(r"[0-9]{1,10}", re.ASCII)


async def get_response(request: web.Request) -> web.StreamResponse:
    """Answer with a response as it is now, or with the events of one in the background.

    Raises:
        AuthError: the credential is missing.
        NotFoundError: the caller has no such response.
        RequestError: it is asked for as a stream, and is none in the background.
    """
    if request.query.get("stream", "").lower() not in ("", "false"):
        return await _events(request)
    running = _running(request)
    return json_response(running.response() if running else await _whole(request))


async def _events(request: web.Request) -> web.StreamResponse:
    after = request.query.get("starting_after", "")
    if after and not _NUMBER.fullmatch(after):
        raise refusal("starting_after", "expected the sequence_number of an event")
    running = _running(request)
    is_background = running.log if running else (await _kept(request)).response.get("background")
    if not is_background:
        problem = "only a response that was created with 'background' can be streamed again"
        raise refusal("stream", problem)
    owner, response_id = credential_of(request).owner, request.match_info["id"]
    return await followed(request, owner, response_id, int(after) if after else -1)


async def delete_response(request: web.Request) -> web.Response:
    """Delete a response; one that is being written will not be kept.

    One that is written in the background is ended, too.

    Raises:
        AuthError: the credential is missing.
        NotFoundError: the caller has no such response.
    """
    response_id, owner = request.match_info["id"], credential_of(request).owner
    running = _running(request)
    if running is None:
        kept = await _kept(request)
        if kept.is_unfinished:
            await writers(request.app).ask(owner, response_id, Stop.DELETE)
        await forget_response(request.app, owner, response_id)
    else:
        running.is_kept = False
        if running.log is not None:
            running.stop()
            await forget_response(request.app, owner, response_id)
    return json_response(DeletedResponse(response_id))


async def cancel_response(request: web.Request) -> web.Response:
    """Cancel a response that is being written; one that has ended is answered unchanged.

    Raises:
        AuthError: the credential is missing.
        NotFoundError: the caller has no such response.
    """
    running = _running(request)
    if running is not None:
        await running.cancel()
        return json_response(running.response())
    if (await _kept(request)).is_unfinished:
        await _cancel_elsewhere(request)
    return json_response(await _whole(request))


async def _cancel_elsewhere(request: web.Request) -> None:
    """Ask another process to cancel a response, and wait until it has, for a while."""
    loop, response_id = asyncio.get_running_loop(), request.match_info["id"]
    await writers(request.app).ask(credential_of(request).owner, response_id, Stop.CANCEL)
    until = loop.time() + CANCEL_SECONDS
    while (await _kept(request)).is_unfinished and loop.time() < until:  # noqa: ASYNC110 - there is no event between processes
        await asyncio.sleep(_LOOK_SECONDS)


async def list_input_items(request: web.Request) -> web.Response:
    """Answer with a page of a response's input items, the last item first.

    Raises:
        AuthError: the credential is missing.
        NotFoundError: the caller has no such response, or its input was too long to keep.
        RequestError: a parameter is wrong.
    """
    kept = await _kept(request)
    if kept.input_items is None:
        message = "The input of this response was over the limit of what is kept."
        raise NotFoundError(message)
    listed = input_items(kept.input_items, "")  # an earlier version did not keep all their keys
    items = in_order(listed[::-1], request.query)
    page = page_of(items, lambda item: str(item["id"]), request.query, DEFAULT_PAGE, MAX_PAGE)
    return json_response(InputItemList(page.data, page.first_id, page.last_id, page.has_more))


def _running(request: web.Request) -> Running | None:
    return request.app[RUNNING].find(credential_of(request).owner, request.match_info["id"])


async def _kept(request: web.Request) -> KeptResponse:
    response_id = request.match_info["id"]
    kept = await found_response(request.app, credential_of(request).owner, response_id)
    if kept is None:
        raise _unknown(response_id)
    return kept


async def _whole(request: web.Request) -> dict[str, Any]:
    """Return a kept response with its pictures."""
    response = (await _kept(request)).response
    blobs = request.app[BLOBS]
    output = [await with_content(blobs, item) for item in response["output"]]
    return {**_of_today(response), "output": output}


def _of_today(response: dict[str, Any]) -> dict[str, Any]:
    """Return a response with every field; those that an earlier version did not keep get defaults."""
    missing = {name: value for name, value in _DEFAULTS.items() if response.get(name) is None}
    return {**response, **missing}


def _unknown(response_id: str) -> NotFoundError:
    return NotFoundError(f"Response with id {quoted(response_id)} not found.", param="id")
