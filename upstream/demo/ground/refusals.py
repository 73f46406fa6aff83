"""Error answers, raised from wherever the fault is found, and fields of bodies, or an error."""

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
        text = orjson.dumps(body).decode()
        super().__init__(headers=headers, text=text, content_type="application/json")


def detail(message: str, code: str | None = None, **more: object) -> dict[str, Any]:
    """Return an error body of protocol 4.2: a bare string, or an object when there is a code."""
    if code is None:
        return {"detail": message}
    return {"detail": {"message": message, "code": code, **more}}


def not_found(code: str) -> Refusal:
    """Return the 404 for something that is not there, or not the caller's."""
    return Refusal(404, detail("Can't load what you asked for.", code))


def busy(seconds: str) -> Refusal:
    """Return the 429 of a service that is asked too often."""
    words = detail("Too many requests, please slow down.")
    return Refusal(429, words, {"Retry-After": seconds})


def page(status: int) -> web.Response:
    """Return the CDN's HTML page."""
    return web.Response(status=status, text=PAGE, content_type="text/html")


async def read_fields(request: web.Request) -> dict[str, Any]:
    """Return the fields of a form or of a JSON object, whatever the content type says.

    Raises:
        Refusal: 400, it begins like JSON and is none.
    """
    raw = await request.read()
    if not raw.lstrip().startswith(b"{"):
        return {name: str(value) for name, value in (await request.post()).items()}
    try:
        fields: dict[str, Any] = orjson.loads(raw)
    except orjson.JSONDecodeError as exc:
        raise Refusal(400, detail("The body is not JSON.")) from exc
    return fields
