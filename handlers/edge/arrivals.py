"""What is known of a request apart from its body."""

from aiohttp import web

from handlers.edge.links import public_url
from handlers.edge.profiles import default_profile
from handlers.edge.record import RECORD
from handlers.reading.common_fields import PROFILE_HEADER, Arrival
from handlers.reading.json_body import refusal
from service.keys import CHOICE, CONFIG
from service.vocabulary.credentials import Credential, UpstreamKind

IDEMPOTENCY_KEY = "Idempotency-Key"
MAX_KEY_CHARS = 255


def arrival_of(request: web.Request, credential: Credential) -> Arrival:
    """Return the time and manner of a request's arrival, with defaults from the settings.

    Raises:
        AuthError: its credential is for an upstream that is not there.
        RequestError: its idempotency key is malformed.
    """
    app, record = request.app, request[RECORD]
    config = app[CONFIG]
    record.credential = credential
    record.upstream = app[CHOICE].upstream_of(credential)
    return Arrival(
        request_id=record.request_id,
        received_at=record.received_at,
        public_url=public_url(request, config.server),
        default_profile=default_profile(config.bot_mode),
        profile_header=request.headers.get(PROFILE_HEADER),
        idempotency_key=_idempotency_key(request),
        is_native=record.upstream is UpstreamKind.CODEX,
        models=credential.models,
    )


def _idempotency_key(request: web.Request) -> str:
    key = request.headers.get(IDEMPOTENCY_KEY, "").strip()
    if len(key) > MAX_KEY_CHARS:
        raise refusal(IDEMPOTENCY_KEY, f"expected a key of up to {MAX_KEY_CHARS} characters")
    return key
