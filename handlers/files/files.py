"""`/v1/files`: files that callers upload for later requests (openai-wire 9).

They stay in the gateway's own store; none goes upstream before a chat names it. Each belongs to a
token together with its account id, and does not exist for anyone else.
"""

import re
from urllib.parse import quote

from aiohttp import hdrs, web

from handlers.answering.byte_ranges import content_response
from handlers.edge.headers import credential_of
from handlers.edge.json_replies import json_response
from handlers.files.shares import SHARES
from handlers.reading.json_body import quoted, refusal
from handlers.reading.multipart import MAX_FIELD_BYTES, Form, open_form
from handlers.reading.paging import in_order, page_of
from service.answers.listed import DeletedFile, File, FileList
from service.keys import ACCEPTANCE, CONFIG, UPLOADS
from service.settings.config import Config
from service.vocabulary.errors import NotFoundError
from service.vocabulary.requests import Upload

MAX_PAGE = 10_000  # OpenAI's maximum, and its default
_DAY_SECONDS = 86_400
PURPOSE = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_COUNT = re.compile(r"[0-9]{1,10}", re.ASCII)
EXPIRES_AFTER_SECONDS = "expires_after[seconds]"


async def create_file(request: web.Request) -> web.Response:
    """Store the file of a form for its caller.

    Raises:
        AuthError: the credential is missing or known to be dead: no caller could use the file.
        ServiceError: the upstream does not accept it, or cannot be asked.
        RequestError: the form is wrong, or over a limit.
        StorageError: the disk or the bucket failed.
    """
    config, store = request.app[CONFIG], request.app[UPLOADS]
    credential = credential_of(request)
    await request.app[ACCEPTANCE].confirm(credential)  # an invented token must not own anything
    announced = (request.content_length or 0) - MAX_FIELD_BYTES  # the size of the file, or less
    async with (
        request.app[SHARES].room(store, credential.owner, announced) as room,
        open_form(request, store.incoming, config.server.max_upload_bytes) as form,
    ):
        file, purpose, seconds = form.file("file"), _purpose(form), _keep_seconds(form, config)
        await room.take(file.size_bytes)
        upload = await store.keep(credential.owner, file, purpose, seconds)
    return json_response(_entry(upload))


async def list_files(request: web.Request) -> web.Response:
    """Answer with a page of the caller's files.

    Raises:
        AuthError: the credential is missing.
        RequestError: a parameter is wrong.
    """
    query = request.query
    uploads = await request.app[UPLOADS].listing(credential_of(request).owner)
    if purpose := query.get("purpose"):
        uploads = [upload for upload in uploads if upload.purpose == purpose]
    entries = [_entry(upload) for upload in in_order(uploads, query)]
    page = page_of(entries, lambda entry: entry.id, query, MAX_PAGE, MAX_PAGE)
    return json_response(FileList(page.data, page.first_id, page.last_id, page.has_more))


async def get_file(request: web.Request) -> web.Response:
    """Answer with the description of one file.

    Raises:
        AuthError: the credential is missing.
        NotFoundError: the caller has no such file.
    """
    return json_response(_entry(await _found(request)))


async def file_content(request: web.Request) -> web.StreamResponse:
    """Answer with the bytes of one file, or a range of them.

    Raises:
        AuthError: the credential is missing.
        NotFoundError: the caller has no such file.
        StorageError: the store is out of order.
    """
    upload = await _found(request)
    content = request.app[UPLOADS].content(credential_of(request).owner, upload)
    headers = {
        hdrs.CONTENT_TYPE: "application/octet-stream",
        hdrs.CONTENT_DISPOSITION: f"attachment; filename*=UTF-8''{quote(upload.name, safe='')}",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        hdrs.CACHE_CONTROL: "private, no-store",
    }
    return await content_response(request, content, headers)


async def delete_file(request: web.Request) -> web.Response:
    """Delete one file.

    Raises:
        AuthError: the credential is missing.
        NotFoundError: the caller has no such file.
    """
    upload_id = request.match_info["id"]
    if not await request.app[UPLOADS].delete(credential_of(request).owner, upload_id):
        raise _unknown(upload_id)
    return json_response(DeletedFile(upload_id))


async def _found(request: web.Request) -> Upload:
    upload_id = request.match_info["id"]
    upload = await request.app[UPLOADS].find(credential_of(request).owner, upload_id)
    if upload is None:
        raise _unknown(upload_id)
    return upload


def _unknown(upload_id: str) -> NotFoundError:
    message = f"No such File object: {quoted(upload_id)}."
    return NotFoundError(message, param="id")


def _purpose(form: Form) -> str:
    purpose = form.text("purpose")
    if not purpose:
        raise refusal("purpose", "this field is required; send 'user_data' or 'vision'")
    if not PURPOSE.fullmatch(purpose):
        raise refusal("purpose", f"{quoted(purpose)} is no purpose; send 'user_data' or 'vision'")
    return purpose


def _keep_seconds(form: Form, config: Config) -> float:
    """Return the seconds for which the file is kept: as requested, at most `files.keep_days`."""
    longest = float(config.files.keep_days * _DAY_SECONDS)
    asked = form.text(EXPIRES_AFTER_SECONDS)
    if asked is None:
        return longest
    if not _COUNT.fullmatch(asked) or int(asked) < 1:
        raise refusal(EXPIRES_AFTER_SECONDS, f"{quoted(asked)} is no number of seconds")
    return min(float(asked), longest)


def _entry(upload: Upload) -> File:
    return File(
        id=upload.id,
        bytes=upload.size_bytes,
        created_at=int(upload.created_at),
        expires_at=int(upload.expires_at),
        filename=upload.name,
        purpose=upload.purpose,
    )
