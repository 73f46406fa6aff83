"""Error answers, raised from wherever the fault is found, alone or out of a table."""

from collections.abc import Mapping
from typing import Any

import msgspec
import orjson
from aiohttp import web

from upstream.demo.ground.templates import Names, fill
from upstream.demo.ground.words import Fault

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


class Instead(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What stands in an answer's place: a body of JSON, words, a CDN's web page, or nothing."""

    status: int
    body: Any = None
    words: str = ""
    headers: dict[str, str] = {}
    page: bool = False


Table = Mapping[str, Instead]
"""By fault: `429 N` is for one with a number, `503:CODE` for one with a code."""


def answer_instead(table: Table, fault: Fault, names: Names) -> web.Response | None:
    """Return the response that a table has for a fault, or None.

    Raises:
        Refusal: for JSON with another status than 200.
    """
    code, number = ":CODE" * bool(fault.variant), " N" * bool(fault.numbers)
    keys = (fault.name + code + number, fault.name + code, fault.name + number, fault.name)
    found = next((table[key] for key in keys if key in table), None)
    if found is None:
        return None
    if found.page:
        return page(found.status)
    if found.body is None:
        return web.Response(status=found.status, text=found.words or None)
    given = {"code": fault.variant, "number": int(fault.number(0)), **names}
    body = fill(found.body, given)
    if found.status == web.HTTPOk.status_code:
        return web.json_response(body)
    headers = {name: str(fill(value, given)) for name, value in found.headers.items()}
    raise Refusal(found.status, body, headers)


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
