"""JSON answers, including those of failures (spec 11)."""

from collections.abc import Mapping

from aiohttp import web

from handlers.edge.headers import retry_headers
from service.vocabulary.events import Failure
from service.vocabulary.wire import error_of, to_json


def json_response(
    value: object, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return an answer of JSON, whatever the request accepts."""
    return web.Response(
        body=to_json(value), status=status, headers=headers, content_type="application/json"
    )


def error_response(failure: Failure, partial: str = "") -> web.Response:
    """Return an error object with its status, and the partial text, if any."""
    return json_response(
        error_of(failure, partial), status=failure.status, headers=retry_headers(failure)
    )
