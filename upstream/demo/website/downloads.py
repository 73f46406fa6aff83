"""Giving files: links by file id and by sandbox path, and the bytes (protocol 6.2, 6.3, 6.6).

Two kinds of link, as the real ones: on the upstream's own origin, which wants
the bearer, and signed ones on another origin, which must never see it. The
other origin is this server under its other loopback name; where it listens
elsewhere there is none, and what is signed takes a bearer too.
"""

from aiohttp import web
from msgspec.structs import asdict

from upstream.demo.ground.stats import STATS
from upstream.demo.scenes.files import FILES, StoredFile
from upstream.demo.website.bodies import answer
from upstream.demo.website.conversations import opened
from upstream.demo.website.tokens import OWNER

NATIVE_PREFIX = "file_"
OTHER_NAMES = {"127.0.0.1": "localhost", "localhost": "127.0.0.1"}
EXPIRED_WORD = "expired"
RETRY_WORD = "retry"


def foreign_link(request: web.Request, file_id: str) -> str:
    """Return a signed link at another origin of this server, where it listens on loopback."""
    name, colon, port = request.host.partition(":")
    origin = f"{request.scheme}://{OTHER_NAMES.get(name, name)}{colon}{port}"
    return f"{origin}/blob/{file_id}?se=2030&sig=demo"


async def get_link(request: web.Request) -> web.Response:
    """Answer `files/download/{id}`, for ids of both forms."""
    return _link(request, _owned(request, request.match_info["file_id"]))


async def get_classic_link(request: web.Request) -> web.Response:
    """Answer `files/{id}/download`; it knows no native ids."""
    return _link(request, _owned(request, request.match_info["file_id"], is_native=False))


async def get_attachment_link(request: web.Request) -> web.Response:
    """Answer `conversation/{id}/attachment/{id}/download`; it knows only native ids."""
    opened(request)
    return _link(request, _owned(request, request.match_info["file_id"], is_native=True))


async def get_sandbox_link(request: web.Request) -> web.Response:
    """Answer `interpreter/download`; the path's words choose its faults."""
    conversation = opened(request)
    path = request.query.get("sandbox_path", "")
    message_id = request.query.get("message_id", "")
    files = request.app[FILES]
    if EXPIRED_WORD in path:
        return answer("no_link", code="ace_pod_expired")
    if RETRY_WORD in path and files.is_first_ask(message_id, path):
        return web.json_response({"status": "retry"})
    file_id = files.sandbox.get((conversation.id, message_id, path), "")
    return _link(request, files.find(file_id))


async def get_blob(request: web.Request) -> web.Response:
    """Give the bytes behind a signed link."""
    has_foreign_name = request.host.partition(":")[0] in OTHER_NAMES
    if "Authorization" in request.headers and has_foreign_name:
        request.app[STATS].counts["bearer_on_foreign_download"] += 1
        return web.Response(status=403, text="AuthenticationFailed")
    return _content(request, request.app[FILES].find(request.match_info["file_id"]))


async def get_estuary(request: web.Request) -> web.Response:
    """Give the bytes behind a link of the upstream's own; the bearer was checked before."""
    return _content(request, _owned(request, request.query.get("id", "")))


def _owned(
    request: web.Request, file_id: str, *, is_native: bool | None = None
) -> StoredFile | None:
    if is_native not in {None, file_id.startswith(NATIVE_PREFIX)}:
        return None
    return request.app[FILES].owned(request[OWNER], file_id)


def _link(request: web.Request, stored: StoredFile | None) -> web.Response:
    if stored is None or not stored.is_uploaded:
        return answer("no_link", code="file_not_found")
    return answer("link", url=_url(request, stored), **asdict(stored))


def _url(request: web.Request, stored: StoredFile) -> str:
    if not stored.id.startswith(NATIVE_PREFIX):
        return foreign_link(request, stored.id)
    link = f"/backend-api/estuary/content?id={stored.id}&ts=489000&p=fs&sig=demo"
    # both forms are seen; which one comes is fixed by the id's first digit
    is_absolute = int(stored.id[len(NATIVE_PREFIX)], 16) % 2 == 0
    return f"{request.scheme}://{request.host}{link}" if is_absolute else link


def _content(request: web.Request, stored: StoredFile | None) -> web.Response:
    if stored is None or stored.content is None:
        return web.Response(status=404, text="BlobNotFound")
    request.app[STATS].counts["downloads"] += 1
    return web.Response(body=stored.content, headers={"Content-Type": stored.media_type})
