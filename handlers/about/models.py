"""`GET /v1/models` and `GET /v1/models/{id}` (spec 5)."""

import asyncio
import difflib
import logging

from aiohttp import web
from msgspec import UNSET

from handlers.edge.headers import CREDENTIAL, credential_of
from handlers.edge.json_replies import json_response
from service.answers.listed import Model, ModelList
from service.keys import CATALOGUE, TOKENS
from service.vocabulary.credentials import Caller
from service.vocabulary.errors import NotFoundError, ServiceError
from service.vocabulary.requests import ModelInfo

# Some clients wait 10 s for this list in all (openai-wire 10): a token exchange may take half.
TOKEN_SECONDS = 5.0
_MAX_NAME_CHARS = 255  # of an unknown name that an error quotes

_log = logging.getLogger("gateway.models")


async def list_models(request: web.Request) -> web.Response:
    """Answer with the model names; with a valid bearer, those of its account as well."""
    listing = await _listing(request)
    return json_response(ModelList([_entry(info) for info in listing]))


async def get_model(request: web.Request) -> web.Response:
    """Answer with one model.

    Raises:
        NotFoundError: there is no model of this name.
    """
    name = request.match_info["id"]
    listing = {info.id: info for info in await _listing(request)}
    if name in listing:
        return json_response(_entry(listing[name]))
    close = difflib.get_close_matches(name, listing, n=3, cutoff=0.3) or list(listing)[:3]
    known = ", ".join(f"'{other}'" for other in close)
    message = f"The model '{name[:_MAX_NAME_CHARS]}' does not exist; the closest are: {known}."
    raise NotFoundError(message, code="model_not_found", param="model")


async def _listing(request: web.Request) -> list[ModelInfo]:
    caller = await _caller(request)
    listing = await request.app[CATALOGUE].listing(caller)
    granted = request.get(CREDENTIAL)
    if granted is None or not granted.models:
        return listing
    return [info for info in listing if info.id in granted.models]  # the names that its key may use


async def _caller(request: web.Request) -> Caller | None:
    """Return the caller whose models are listed too, or None; the rest of the list needs no key."""
    try:
        credential = credential_of(request)
        async with asyncio.timeout(TOKEN_SECONDS):
            return await request.app[TOKENS].caller(credential)
    except (ServiceError, TimeoutError) as error:
        _log.debug("models are listed without an account: %s", error)
        return None


def _entry(info: ModelInfo) -> Model:
    return Model(
        info.id,
        info.created,
        info.owned_by,
        UNSET if info.context_window is None else info.context_window,
        list(info.input_modalities) or UNSET,
        list(info.reasoning_efforts) or UNSET,
    )
