"""What is known of a request besides its body."""

from aiohttp import web

from handlers.links import public_url
from handlers.profiles import default_profile
from handlers.record import RECORD
from handlers.requests import PROFILE_HEADER, Arrival
from service.keys import CONFIG


def arrival_of(request: web.Request) -> Arrival:
    """Return when and how a request came, and what the settings add to it."""
    config, record = request.app[CONFIG], request[RECORD]
    return Arrival(
        request_id=record.request_id,
        received_at=record.received_at,
        public_url=public_url(request, config.server),
        default_profile=default_profile(config.bot_mode),
        profile_header=request.headers.get(PROFILE_HEADER),
    )
