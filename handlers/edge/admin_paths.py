"""Which requests are the operator's: those below `/admin/`, where there is an admin key (spec 17)."""

from aiohttp import web

from service.keys import CONFIG

BELOW = "/admin/"


def is_admin_request(request: web.Request) -> bool:
    """Tell whether a request is for the operator's routes; without an admin key none is."""
    admin_key = request.app[CONFIG].server.admin_key.get_secret_value()
    return bool(admin_key) and request.path.startswith(BELOW)
