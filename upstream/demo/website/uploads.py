"""Taking files: the three steps, indexing, and the single step of 2026 (protocol 6.1)."""

import hashlib
from typing import Any

import orjson
from aiohttp import web

from upstream.demo.ground.files import DEFAULT_TYPE, FILES, MAX_KEPT_BYTES, StoredFile
from upstream.demo.ground.refusals import Refusal, detail
from upstream.demo.ground.stats import STATS
from upstream.demo.website.downloads import foreign_origin
from upstream.demo.website.tokens import OWNER, fields_of

CHUNK_BYTES = 256 * 1024
POLLS_WHILE_INDEXING = 2
BYTES_PER_TOKEN = 4


async def post_file(request: web.Request) -> web.Response:
    """Take the name and size of a file and say where its bytes go."""
    wanted = await fields_of(request)
    name, size = wanted.get("file_name"), wanted.get("file_size")
    if not isinstance(name, str) or not isinstance(size, int) or not wanted.get("use_case"):
        raise Refusal(422, detail("file_name, file_size and use_case are required."))
    stored = request.app[FILES].expect(request[OWNER], name, size)
    stored.use_case = str(wanted["use_case"])
    return web.json_response(
        {
            "status": "success",
            "upload_url": f"{foreign_origin(request)}/blob/{stored.id}?se=2030&sig=demo",
            "file_id": stored.id,
        }
    )


async def put_blob(request: web.Request) -> web.Response:
    """Take the bytes; whoever sends a bearer here would tell it to a stranger."""
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
        return web.json_response(
            {
                "status": "error",
                "error_code": "file_size_mismatch" if stored.received_bytes >= 0 else "no_content",
                "error_message": f"expected {stored.size} bytes, got {stored.received_bytes}",
            }
        )
    stored.is_uploaded = True
    return web.json_response(
        {
            "status": "success",
            "download_url": f"{foreign_origin(request)}/blob/{stored.id}?se=2030&sig=demo",
            "file_id": stored.id,
            "file_name": stored.name,
            "mime_type": stored.media_type,
        }
    )


async def get_file(request: web.Request) -> web.Response:
    """Tell how far a file is; documents take a while to be indexed."""
    stored = _owned(request, request.match_info["file_id"])
    stored.polls += 1
    is_ready = stored.is_uploaded and (
        stored.use_case != "my_files" or stored.polls > POLLS_WHILE_INDEXING
    )
    tokens = stored.size // BYTES_PER_TOKEN + 1 if is_ready else None
    status = "success" if is_ready else "in_progress"
    return web.json_response(
        {
            "id": stored.id,
            "name": stored.name,
            "creation_time": stored.created_at,
            "state": "ready" if stored.is_uploaded else "pending",
            "ready_time": stored.created_at if stored.is_uploaded else None,
            "size": stored.size,
            "metadata": {"retrieval": {"status": status, "file_size_tokens": tokens}},
            "use_case": stored.use_case,
            "retrieval_index_status": status,
            "file_size_tokens": tokens,
            "file_token_size": tokens,
            "variants": None,
        }
    )


async def get_simple(request: web.Request) -> web.Response:
    """Answer a file's name and type."""
    stored = _owned(request, request.match_info["file_id"])
    return web.json_response({"file_name": stored.name, "mime_type": stored.media_type})


async def post_process(request: web.Request) -> web.Response:
    """Confirm and index in one step, told as lines of JSON."""
    stored = _owned(request, str((await fields_of(request)).get("file_id") or ""))
    if stored.received_bytes != stored.size:
        return _lines({"event": "file.processing.failed", "progress": 0, "file_id": stored.id})
    stored.is_uploaded = True
    stored.polls = POLLS_WHILE_INDEXING
    extra = {
        "mime_type": stored.media_type,
        "total_tokens": stored.size // BYTES_PER_TOKEN + 1,
        "metadata_object_id": f"meta-{stored.id}",
    }
    return _lines(
        {"event": "file.processing.started", "progress": 0, "file_id": stored.id},
        {"event": "file.processing.metadata", "progress": 50, "file_id": stored.id, "extra": extra},
        {"event": "file.processing.completed", "progress": 100, "file_id": stored.id},
    )


def _owned(request: web.Request, file_id: str) -> StoredFile:
    stored = request.app[FILES].owned(request[OWNER], file_id)
    if stored is None:
        raise Refusal(404, detail("File not found", "file_not_found"))
    return stored


def _lines(*events: dict[str, Any]) -> web.Response:
    body = b"".join(orjson.dumps(one) + b"\n" for one in events)
    return web.Response(body=body, content_type="application/x-ndjson")
