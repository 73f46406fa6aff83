"""Error answers in the shapes of protocol 4.2, raised from wherever the fault is found."""

from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web

PAGE = (
    "<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>"
    '<div id="cf-please-wait">Checking your browser</div>'
    "<script>window._cf_chl_opt={};</script>"
    '<script src="https://challenges.cloudflare.com/x.js"></script></body></html>'
)
"""What a CDN answers in place of the upstream; clients tell it by these names."""


class Refusal(web.HTTPException):
    """A JSON error answer."""

    def __init__(
        self, status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> None:
        self.status_code = status
        super().__init__(
            headers=headers,
            text=orjson.dumps(body).decode(),
            content_type="application/json",
        )


def detail(message: str, code: str | None = None, **more: object) -> dict[str, Any]:
    """Return an error body: a bare string, or an object when there is a code."""
    if code is None:
        return {"detail": message}
    return {"detail": {"message": message, "code": code, **more}}


def not_found(code: str = "conversation_not_found") -> Refusal:
    """Return the 404 for something that is not there, or not the caller's."""
    return Refusal(404, detail("Can't load what you asked for.", code))


def page(status: int) -> web.Response:
    """Return the CDN's HTML page."""
    return web.Response(status=status, text=PAGE, content_type="text/html")
