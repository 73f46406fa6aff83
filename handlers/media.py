"""`GET /images/{name}` and `GET /files/{name}`: what answers link to (spec 9).

The links work without a key, so a name is a secret; nothing that is served may run
in a page of this origin.
"""

from aiohttp import hdrs, web

from service.errors import NotFoundError
from service.keys import BLOBS, CONFIG

IMAGES = "images"
FILES = "files"
_YEAR_SECONDS = 31_536_000


async def image(request: web.Request) -> web.StreamResponse:
    """Serve a stored picture, or a range of it."""
    return _stored(request, IMAGES)


async def file(request: web.Request) -> web.StreamResponse:
    """Serve a stored file, or a range of it."""
    return _stored(request, FILES)


def _stored(request: web.Request, folder: str) -> web.StreamResponse:
    name = request.match_info["name"]
    blob = request.app[BLOBS].find(folder, name)
    if blob is None:
        message = f"There is nothing at {request.rel_url.raw_path[:200]}."
        raise NotFoundError(message)
    seconds = int(request.app[CONFIG].files.link_seconds)
    cache = f"private, max-age={seconds}" if seconds else f"public, max-age={_YEAR_SECONDS}"
    headers = {
        hdrs.CONTENT_TYPE: blob.media_type,
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cross-Origin-Resource-Policy": "cross-origin",
        hdrs.CACHE_CONTROL: f"{cache}, immutable",
        hdrs.CONTENT_DISPOSITION: "inline" if blob.is_inline else f'attachment; filename="{name}"',
    }
    return web.FileResponse(blob.path, headers=headers)
