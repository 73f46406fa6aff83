"""The application's routes, made from the table of endpoints (spec 3, `server.api_prefix`)."""

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
    for endpoint in endpoints(has_admin=bool(config.server.admin_key.get_secret_value())):
        for path, _ in endpoint.places(base):
            app.router.add_routes(
                [_ROUTES[endpoint.method](_pattern(path, endpoint), endpoint.handler)]
            )


async def _close_responses(app: web.Application) -> None:
    """Wait for responses in the background, whose turns have ended, while the store is open."""
    await app[RUNNING].close()


def _pattern(path: str, endpoint: Endpoint) -> str:
    """Return a path in the router's form: `/v1/models/{id:.+}` where an id may have slashes."""
    for parameter in endpoint.parameters:
        if parameter.may_have_slashes:
            path = path.replace(f"{{{parameter.name}}}", f"{{{parameter.name}:.+}}")
    return path
