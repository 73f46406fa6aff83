"""CORS: which pages of other origins may use the gateway (openai-wire 2, rule 27)."""

import re

from aiohttp import hdrs, web

from handlers.edge.headers import (
    ESTIMATED,
    IGNORED_FIELDS,
    OVERHEAD,
    RETRY_AFTER,
    SHOULD_RETRY,
    UPSTREAM_MODEL,
)
from service.connections.bad_http import REQUEST_ID

_METHODS = "GET, HEAD, POST, DELETE, OPTIONS"
_EXPOSED = ", ".join(
    (
        *(REQUEST_ID, "request-id", UPSTREAM_MODEL, IGNORED_FIELDS, OVERHEAD),
        *(ESTIMATED, RETRY_AFTER, SHOULD_RETRY),
    )
)
_DEFAULT_HEADERS = "authorization, content-type"
_MAX_AGE_SECONDS = "86400"  # the longest time that any browser keeps it
_FIELD_NAMES = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~, -]{1,4096}")


def is_preflight(request: web.Request) -> bool:
    """Tell whether this is a preflight of a browser, which carries no key."""
    return request.method == hdrs.METH_OPTIONS and hdrs.ORIGIN in request.headers


def preflight_response(request: web.Request) -> web.Response:
    """Allow the headers asked for by name, because `*` never covers Authorization."""
    wanted = request.headers.get(hdrs.ACCESS_CONTROL_REQUEST_HEADERS, "")
    headers = {
        hdrs.ACCESS_CONTROL_ALLOW_METHODS: _METHODS,
        hdrs.ACCESS_CONTROL_ALLOW_HEADERS: (
            wanted if _FIELD_NAMES.fullmatch(wanted) else _DEFAULT_HEADERS
        ),
        hdrs.ACCESS_CONTROL_MAX_AGE: _MAX_AGE_SECONDS,
        hdrs.VARY: hdrs.ACCESS_CONTROL_REQUEST_HEADERS,
    }
    return web.Response(status=204, headers=headers)


def add_origin(
    request: web.Request, response: web.StreamResponse, origins: tuple[str, ...]
) -> None:
    """Let pages of the allowed origins read this answer; `*` allows all."""
    headers = response.headers
    headers.add(hdrs.VARY, hdrs.ORIGIN)
    allowed = "*" if "*" in origins else request.headers.get(hdrs.ORIGIN)
    if allowed == "*" or allowed in origins:
        headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = str(allowed)
        headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = _EXPOSED
