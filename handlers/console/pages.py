"""`GET /` and `GET /console/{path}`: the console, whose pages need only this gateway.

Programs that ask for `/` get JSON; a request that accepts `text/html`, as browsers do, gets the
page. `/console/admin` is the page of the operator; without an admin key it and its parts are not
there.
"""

import asyncio
import gzip
import hashlib
import re
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import ETag, hdrs, web
from msgspec import Struct

from handlers.edge.json_replies import json_response
from handlers.edge.links import api_base
from handlers.edge.profiles import default_profile
from service.answers.gateway import Index
from service.keys import CONFIG
from service.settings.config import Config
from service.version import VERSION

STATIC = Path(__file__).parent / "static"
PAGE = "index.html"
ADMIN, ADMIN_PAGE = "admin", "admin/page.html"  # the page's address, and its file
_MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
_RANGE = re.compile(r"\s*([\w*]+/[\w*.+-]+)\s*(?:;.*?\bq=([01](?:\.\d+)?))?")
_HEADERS = {
    # Revalidated each time, since the files refer to each other by names that never change.
    hdrs.CACHE_CONTROL: "no-cache",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Asset(Struct, frozen=True):
    """One file of the console, ready to be sent."""

    body: bytes
    compressed: bytes
    etag: ETag
    media_type: str


@cache
def assets() -> dict[str, Asset]:
    """Return all files of the console by path; reads the disk, once."""
    found = (path for path in STATIC.rglob("*") if path.suffix in _MEDIA_TYPES)
    return {path.relative_to(STATIC).as_posix(): _asset(path) for path in found}


def _asset(path: Path) -> Asset:
    body = path.read_bytes()
    return Asset(
        body=body,
        compressed=gzip.compress(body, mtime=0),
        # Weak: the plain and the compressed form share it.
        etag=ETag(hashlib.sha256(body).hexdigest()[:32], is_weak=True),
        media_type=_MEDIA_TYPES[path.suffix],
    )


async def root(request: web.Request) -> web.Response:
    """Answer browsers with the page, and all others with the index in JSON."""
    config = request.app[CONFIG]
    if prefers_page(request.headers.get(hdrs.ACCEPT, "")):
        response = await _page(request, PAGE)
    else:
        response = json_response(_index(config), headers={hdrs.CACHE_CONTROL: "no-cache"})
    response.headers.add(hdrs.VARY, hdrs.ACCEPT)
    return response


async def asset(request: web.Request) -> web.Response:
    """Answer with a file of the page.

    Raises:
        HTTPNotFound: there is no such file.
    """
    path = request.match_info["path"]
    if path in (PAGE, ADMIN_PAGE):  # they have addresses of their own, with their policy
        raise web.HTTPNotFound
    if path.partition("/")[0] == ADMIN and not _has_admin(request.app[CONFIG]):
        raise web.HTTPNotFound
    return await (_page(request, ADMIN_PAGE) if path == ADMIN else _sent(request, path))


def prefers_page(accept: str) -> bool:
    """Tell whether an Accept header names HTML before any JSON."""
    weights: dict[str, float] = {}
    for given in accept.lower().split(","):
        if found := _RANGE.match(given):
            weights.setdefault(found[1], float(found[2] or 1))
    wanted = weights.get("text/html", 0.0)
    return wanted > 0 and wanted >= weights.get("application/json", 0.0)


def content_policy(public_url: str) -> str:
    """Return the page's Content-Security-Policy: this gateway only, nothing inline.

    Pictures may also come from `server.public_url`, the gateway's public address.
    """
    pictures = f" {origin}" if (origin := _origin(public_url)) else ""
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            f"img-src 'self' data:{pictures}",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types dompurify",
        )
    )


async def _page(request: web.Request, path: str) -> web.Response:
    response = await _sent(request, path)
    public_url = request.app[CONFIG].server.public_url
    response.headers["Content-Security-Policy"] = content_policy(public_url)
    return response


def _has_admin(config: Config) -> bool:
    return bool(config.server.admin_key.get_secret_value())


def _origin(public_url: str) -> str:
    parts = urlsplit(public_url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""


async def _sent(request: web.Request, path: str) -> web.Response:
    found = (await asyncio.to_thread(assets)).get(path)
    if found is None:
        raise web.HTTPNotFound
    response = web.Response(headers=_HEADERS)
    response.headers[hdrs.VARY] = hdrs.ACCEPT_ENCODING
    response.etag = found.etag
    if any(tag.value == found.etag.value for tag in request.if_none_match or ()):
        response.set_status(304)
        return response
    response.headers[hdrs.CONTENT_TYPE] = found.media_type
    if "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, "").lower():
        response.headers[hdrs.CONTENT_ENCODING] = "gzip"
        response.body = found.compressed
    else:
        response.body = found.body
    return response


def _index(config: Config) -> Index:
    base = api_base(config.server)
    links = {
        "chat_completions": f"{base}/v1/chat/completions",
        "responses": f"{base}/v1/responses",
        "messages": f"{base}/v1/messages",
        "models": f"{base}/v1/models",
        "files": f"{base}/v1/files",
        "usage": f"{base}/v1/usage",
        "account_ids": f"{base}/getAccountID",
        "health": "/healthz",
        "readiness": "/readyz",
        "description": "/openapi.json",
    }
    if config.metrics.enabled:
        links["metrics"] = "/metrics"
    if _has_admin(config):
        links["admin"] = f"/console/{ADMIN}"
    return Index(
        name="backend-to-v1",
        version=VERSION,
        default_profile=default_profile(config.bot_mode),
        picture_origin=_origin(config.server.public_url),
        links=links,
    )
