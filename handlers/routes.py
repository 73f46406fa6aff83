"""The application's routes, made from the table of endpoints (spec 3, `server.api_prefix`)."""

import re
from collections.abc import Collection

from aiohttp import web

from handlers.about.health import install_checks
from handlers.background.running import RUNNING, RunningResponses
from handlers.edge.links import api_base
from handlers.files.shares import SHARES, Shares
from handlers.openapi.endpoint import Endpoint
from handlers.openapi.endpoints import endpoints
from service.settings.config import Config

_ROUTES = {"get": web.get, "post": web.post, "delete": web.delete}  # a GET also answers HEAD


def add_routes(app: web.Application, config: Config) -> None:
    """Add all routes, and the objects that handlers share."""
    install_checks(app)
    app[RUNNING] = RunningResponses()
    app.on_shutdown.append(_close_responses)
    app[SHARES] = Shares(config.files.max_store_bytes)
    base = api_base(config.server)
    every = endpoints(has_admin=bool(config.server.admin_key.get_secret_value()))
    paths = {path for endpoint in every for path, _ in endpoint.places(base)}
    for endpoint in every:
        for path, _ in endpoint.places(base):
            pattern = _without_words(_pattern(path, endpoint), paths)
            app.router.add_routes([_ROUTES[endpoint.method](pattern, endpoint.handler)])


def _without_words(pattern: str, paths: Collection[str]) -> str:
    """Return a pattern whose id is no word of another path, which takes other methods.

    For example `/v1/responses/{id:(?!(?:compact)$)[^/]+}`, beside `/v1/responses/compact`.
    """
    stem, _, last = pattern.rpartition("/")
    if last != "{id}":
        return pattern
    siblings = (path.rpartition("/") for path in paths)
    words = sorted(word for folder, _, word in siblings if folder == stem and "{" not in word)
    if not words:
        return pattern
    return f"{stem}/{{id:(?!(?:{'|'.join(map(re.escape, words))})$)[^/]+}}"


async def _close_responses(app: web.Application) -> None:
    """Wait for responses in the background, whose turns have ended, while the store is open."""
    await app[RUNNING].close()


def _pattern(path: str, endpoint: Endpoint) -> str:
    """Return a path in the router's form: `/v1/models/{id:.+}` where an id may have slashes."""
    for parameter in endpoint.parameters:
        if parameter.may_have_slashes:
            path = path.replace(f"{{{parameter.name}}}", f"{{{parameter.name}:.+}}")
    return path
