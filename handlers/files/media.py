"""`GET /images/{name}` and `GET /files/{name}`: the targets of links in answers (spec 9).

The links work without a key, so a name is a secret. Nothing that is served may run in a page of
this origin.
"""

import math

from aiohttp import hdrs, web

from handlers.answering.byte_ranges import content_response, nothing_there
from service.keys import BLOBS, LINKS

IMAGES = "images"
FILES = "files"
_YEAR_SECONDS = 31_536_000


async def image(request: web.Request) -> web.StreamResponse:
    """Serve a stored picture, or a range of it."""
    return await _stored(request, IMAGES)


async def file(request: web.Request) -> web.StreamResponse:
    """Serve a stored file, or a range of it."""
    return await _stored(request, FILES)


async def _stored(request: web.Request, folder: str) -> web.StreamResponse:
    name = request.match_info["name"]
    seconds = request.app[LINKS].seconds_left(f"{folder}/{name}", request.query)
    blob = await request.app[BLOBS].find(folder, name) if seconds else None
    if blob is None:  # also for an expired link, so that it tells nothing
        raise nothing_there(request)
    has_end = math.isfinite(seconds)
    cache = f"private, max-age={int(seconds)}" if has_end else f"public, max-age={_YEAR_SECONDS}"
    headers = {
        hdrs.CONTENT_TYPE: blob.media_type,
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cross-Origin-Resource-Policy": "cross-origin",
        hdrs.CACHE_CONTROL: f"{cache}, immutable",
        hdrs.CONTENT_DISPOSITION: "inline" if blob.is_inline else f'attachment; filename="{name}"',
    }
    return await content_response(request, blob.content, headers)
