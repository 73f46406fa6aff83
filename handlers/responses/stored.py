"""`/v1/responses/{id}`: responses that are kept, and those being written (openai-wire 8).

A response exists for its owner only. One that is being written is known only to the process that
writes it.
"""

from typing import Any

from aiohttp import web
from msgspec import structs

from handlers.answering.picture_content import with_content
from handlers.edge.headers import credential_of
from handlers.edge.json_replies import json_response
from handlers.reading.json_body import quoted, refusal
from handlers.reading.paging import in_order, page_of
from handlers.responses.history import kept_responses
from handlers.responses.listed_items import input_items
from handlers.responses.running import RUNNING, Running
from service.answers.responses import DeletedResponse, InputItemList, ModelResponse
from service.keys import BLOBS
from service.turns.kept_responses import KeptResponse
from service.vocabulary.errors import NotFoundError

_DEFAULTS: dict[str, Any] = {
    field.name: field.default
    for field in structs.fields(ModelResponse)
    if isinstance(field.default, float | int | str | None)
}
DEFAULT_PAGE, MAX_PAGE = 20, 100  # OpenAI's own


async def get_response(request: web.Request) -> web.Response:
    """Answer with a response as it is now.

    Raises:
        AuthError: the credential is missing.
        NotFoundError: the caller has no such response.
        RequestError: it is asked for as a stream.
    """
    if request.query.get("stream", "").lower() not in ("", "false"):
        raise refusal("stream", "a response can be streamed only when it is created")
    running = _running(request)
    return json_response(running.response() if running else await _whole(request))


async def delete_response(request: web.Request) -> web.Response:
    """Delete a response; one that is being written will not be kept.

    Raises:
        AuthError: the credential is missing.
        NotFoundError: the caller has no such response.
    """
    response_id = request.match_info["id"]
    if running := _running(request):
        running.is_kept = False
    else:
        owner = credential_of(request).owner
        if not await kept_responses(request.app).delete(owner, response_id):
            raise _unknown(response_id)
    return json_response(DeletedResponse(response_id))


async def cancel_response(request: web.Request) -> web.Response:
    """Cancel a response that is being written here; one that has ended is answered unchanged.

    Raises:
        AuthError: the credential is missing.
        NotFoundError: the caller has no such response.
    """
    running = _running(request)
    if running is None:
        return json_response(await _whole(request))
    await running.cancel()
    return json_response(running.response())


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
    kept = await kept_responses(request.app).find(credential_of(request).owner, response_id)
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
