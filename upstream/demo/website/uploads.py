"""Taking files: the three steps, indexing, and the single step of 2026 (protocol 6.1)."""

import hashlib
from typing import Any

import orjson
from aiohttp import web
from msgspec.structs import asdict

from upstream.demo.ground.refusals import Refusal, detail, read_fields
from upstream.demo.ground.stats import STATS
from upstream.demo.scenes.files import DEFAULT_TYPE, FILES, MAX_KEPT_BYTES, StoredFile
from upstream.demo.website.bodies import answer
from upstream.demo.website.downloads import foreign_link
from upstream.demo.website.tokens import OWNER

CHUNK_BYTES = 256 * 1024
POLLS_WHILE_INDEXING = 2
BYTES_PER_TOKEN = 4


async def post_file(request: web.Request) -> web.Response:
    """Take the name and size of a file and say where its bytes go."""
    wanted = await read_fields(request)
    name, size = wanted.get("file_name"), wanted.get("file_size")
    if not isinstance(name, str) or not isinstance(size, int) or not wanted.get("use_case"):
        raise Refusal(422, detail("file_name, file_size and use_case are required."))
    stored = request.app[FILES].expect(request[OWNER], name, size)
    stored.use_case = str(wanted["use_case"])
    return answer("expected", id=stored.id, url=foreign_link(request, stored.id))


async def put_blob(request: web.Request) -> web.Response:
    """Take the bytes, and count callers that send their token to this foreign address."""
    if "Authorization" in request.headers:
        request.app[STATS].counts["bearer_on_foreign_upload"] += 1
        return web.Response(status=403, text="AuthenticationFailed")
    stored = request.app[FILES].find(request.match_info["file_id"])
    if stored is None:
        return web.Response(status=404, text="BlobNotFound")
    kept = bytearray()
    received = 0
    async for chunk in request.content.iter_chunked(CHUNK_BYTES):
        received += len(chunk)
        if received <= MAX_KEPT_BYTES:
            kept += chunk
    stored.received_bytes = received
    stored.content = bytes(kept) if received <= MAX_KEPT_BYTES else None
    stored.media_type = request.headers.get("Content-Type") or DEFAULT_TYPE
    request.app[STATS].counts["uploads"] += 1
    md5 = hashlib.md5(kept, usedforsecurity=False).hexdigest()
    return web.Response(status=201, headers={"ETag": f'"{md5}"'})


async def post_uploaded(request: web.Request) -> web.Response:
    """Confirm that a file is there, whole."""
    stored = _owned(request, request.match_info["file_id"])
    if stored.received_bytes != stored.size:
        code = "file_size_mismatch" if stored.received_bytes >= 0 else "no_content"
        return answer("not_whole", code=code, **asdict(stored))
    stored.is_uploaded = True
    return answer("uploaded", url=foreign_link(request, stored.id), **asdict(stored))


async def get_file(request: web.Request) -> web.Response:
    """Answer with the state of a file; documents take a while to be indexed."""
    stored = _owned(request, request.match_info["file_id"])
    stored.polls += 1
    is_indexed = stored.use_case != "my_files" or stored.polls > POLLS_WHILE_INDEXING
    is_ready = stored.is_uploaded and is_indexed
    return answer(
        "file",
        state="ready" if stored.is_uploaded else "pending",
        ready_time=stored.created_at if stored.is_uploaded else None,
        index="success" if is_ready else "in_progress",
        tokens=_tokens(stored) if is_ready else None,
        **asdict(stored),
    )


async def get_simple(request: web.Request) -> web.Response:
    """Answer a file's name and type."""
    stored = _owned(request, request.match_info["file_id"])
    return web.json_response({"file_name": stored.name, "mime_type": stored.media_type})


async def post_process(request: web.Request) -> web.Response:
    """Confirm and index in one step, told as lines of JSON."""
    stored = _owned(request, str((await read_fields(request)).get("file_id") or ""))
    if stored.received_bytes != stored.size:
        return _lines(stored.id, ("failed", 0, {}))
    stored.is_uploaded = True
    stored.polls = POLLS_WHILE_INDEXING
    told = {"mime_type": stored.media_type, "total_tokens": _tokens(stored)}
    extra = {"extra": {**told, "metadata_object_id": f"meta-{stored.id}"}}
    return _lines(stored.id, ("started", 0, {}), ("metadata", 50, extra), ("completed", 100, {}))


def _owned(request: web.Request, file_id: str) -> StoredFile:
    stored = request.app[FILES].owned(request[OWNER], file_id)
    if stored is None:
        raise Refusal(404, detail("File not found", "file_not_found"))
    return stored


def _tokens(stored: StoredFile) -> int:
    return stored.size // BYTES_PER_TOKEN + 1


def _lines(file_id: str, *steps: tuple[str, int, dict[str, Any]]) -> web.Response:
    body = b""
    for name, progress, extra in steps:
        told = {"event": f"file.processing.{name}", "progress": progress, "file_id": file_id}
        body += orjson.dumps({**told, **extra}) + b"\n"
    return web.Response(body=body, content_type="application/x-ndjson")
