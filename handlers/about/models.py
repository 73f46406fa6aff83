"""`GET /v1/models` and `GET /v1/models/{id}`, in the form of the dialect that asks (spec 5, 16)."""

import asyncio
import difflib
import logging
from collections.abc import Sequence
from datetime import UTC, datetime

from aiohttp import web
from msgspec import UNSET

from handlers.edge.dialects import speaks_messages
from handlers.edge.headers import CREDENTIAL, credential_of
from handlers.edge.json_replies import json_response
from handlers.reading.paging import page_between
from service.answers.listed import Model, ModelList
from service.answers.messages import ClaudeModel, ClaudeModelList
from service.keys import CATALOGUE, CONFIG, TOKENS
from service.settings.claude_names import CLAUDE_MODELS, stand_in
from service.vocabulary.credentials import Caller, UpstreamKind
from service.vocabulary.errors import NotFoundError, ServiceError
from service.vocabulary.requests import ModelInfo

# Some clients wait 10 s for this list in all (openai-wire 10): a token exchange may take half.
TOKEN_SECONDS = 5.0
ALIAS_OWNER = "messages"
_PAGE, _MAX_PAGE = 20, 1_000  # Anthropic's own
_MAX_NAME_CHARS = 255  # of an unknown name that an error quotes

_log = logging.getLogger("gateway.models")


async def list_models(request: web.Request) -> web.Response:
    """Answer with the model names; with a valid bearer, those of its account as well.

    Raises:
        RequestError: there is no such page.
    """
    listing = await _listing(request)
    if not speaks_messages(request):
        return json_response(ModelList([_entry(info) for info in listing]))
    # Claude Code only looks at names that begin with `claude`; others only at the first page.
    listing.sort(key=lambda info: info.owned_by != ALIAS_OWNER)
    page = page_between(listing, lambda info: info.id, request.query, _PAGE, _MAX_PAGE)
    entries = [_claude_entry(info) for info in page.data]
    return json_response(ClaudeModelList(entries, page.has_more, page.first_id, page.last_id))


async def get_model(request: web.Request) -> web.Response:
    """Answer with one model.

    Raises:
        NotFoundError: there is no model of this name.
    """
    name = request.match_info["id"]
    listing = {info.id: info for info in await _listing(request)}
    if name in listing:
        form = _claude_entry if speaks_messages(request) else _entry
        return json_response(form(listing[name]))
    close = difflib.get_close_matches(name, listing, n=3, cutoff=0.3) or list(listing)[:3]
    known = ", ".join(f"'{other}'" for other in close)
    message = f"The model '{name[:_MAX_NAME_CHARS]}' does not exist; the closest are: {known}."
    raise NotFoundError(message, code="model_not_found", param="model")


async def _listing(request: web.Request) -> list[ModelInfo]:
    caller = await _caller(request)
    listing = await request.app[CATALOGUE].listing(caller)
    is_native = caller is not None and caller.upstream is UpstreamKind.CODEX
    listing += _aliases(request, listing, is_native=is_native)
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


def _aliases(
    request: web.Request, listing: Sequence[ModelInfo], *, is_native: bool
) -> list[ModelInfo]:
    """Return the names of the Messages dialect that stand for a listed model."""
    models = request.app[CONFIG].messages.models
    listed = {info.id: info for info in listing}
    own = list(listed) if is_native else ()
    names = [f"claude-{family}" for family in CLAUDE_MODELS]
    return [
        ModelInfo(name, listed[model].created, ALIAS_OWNER)
        for name in names
        if name not in listed and (model := stand_in(name, models, own)) in listed
    ]


def _claude_entry(info: ModelInfo) -> ClaudeModel:
    created = datetime.fromtimestamp(info.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return ClaudeModel(info.id, info.id, created)


def _entry(info: ModelInfo) -> Model:
    return Model(
        info.id,
        info.created,
        info.owned_by,
        UNSET if info.context_window is None else info.context_window,
        list(info.input_modalities) or UNSET,
        list(info.reasoning_efforts) or UNSET,
    )
