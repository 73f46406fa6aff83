"""`POST /v1/audio/transcriptions`: transcribes a recording (openai-wire 9)."""

import re

from aiohttp import web

from handlers.edge.headers import credential_of, reply_headers
from handlers.edge.json_replies import json_response
from handlers.edge.record import RECORD
from handlers.reading.common_fields import ignored_names
from handlers.reading.json_body import quoted, refusal
from handlers.reading.multipart import MAX_FIELD_BYTES, Form, open_form
from service.answers.sound import TranscriptDelta, TranscriptDone, Transcription
from service.keys import CONFIG, TOKENS, TRANSCRIPTIONS, UPLOADS
from service.vocabulary.endings import outcome_of
from service.vocabulary.errors import BodySizeError, ServiceError
from service.vocabulary.events import Outcome
from service.vocabulary.gateway_keys import check_model
from service.vocabulary.wire import to_json

MAX_FILE_BYTES = 25 * 1024 * 1024  # OpenAI's own limit
FORMATS = ("json", "text", "verbose_json")
LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")
_TRUE, _FALSE = frozenset({"true", "1"}), frozenset({"", "false", "0"})
# OpenAI requires a model name; here every name is accepted, since the upstream picks its model.
_HONOURED = frozenset({"model", "language", "response_format", "stream"})


async def transcriptions(request: web.Request) -> web.Response:
    """Transcribe the recording in a form.

    Raises:
        ServiceError: the form is wrong, or the upstream did not transcribe it.
    """
    config, record, uploads = request.app[CONFIG], request[RECORD], request.app[UPLOADS]
    credential = credential_of(request)
    await request.app[TOKENS].caller(credential)  # refuses a bad key before the upload
    limit = min(config.server.max_upload_bytes, MAX_FILE_BYTES + MAX_FIELD_BYTES)
    async with open_form(request, uploads.incoming, limit) as form:
        check_model(credential.models, form.text("model"))
        file, wanted, language = form.file("file"), _format(form), _language(form)
        if file.size_bytes > MAX_FILE_BYTES:
            message = f"file: the recording is over the limit of {MAX_FILE_BYTES} bytes."
            raise BodySizeError(message, param="file")
        is_stream = _is_stream(form)
        try:
            text = await request.app[TRANSCRIPTIONS].transcribe(file, language, credential)
        except ServiceError as error:
            record.outcome = outcome_of(error)
            raise
        record.outcome = Outcome.COMPLETE
        headers = reply_headers(ignored_fields=ignored_names(form.fields, _HONOURED))
    if is_stream:
        return web.Response(body=_events(text), headers=headers, content_type="text/event-stream")
    if wanted == "text":
        return web.Response(text=f"{text}\n", headers=headers)
    whole = Transcription(text)
    if wanted == "verbose_json":
        whole = Transcription(text, "transcribe", language, None)
    return json_response(whole, headers=headers)


def _events(text: str) -> bytes:
    """Return the text as the events of a stream, in one piece as the upstream sends it."""
    events = (TranscriptDelta(text), TranscriptDone(text))
    return b"".join(b"data: " + to_json(event) + b"\n\n" for event in events)


def _format(form: Form) -> str:
    wanted = form.text("response_format") or FORMATS[0]
    if wanted not in FORMATS:
        problem = (
            f"{quoted(wanted)} cannot be had, since the upstream tells the text and no times or "
            "speakers; use 'json', 'text' or 'verbose_json'"
        )
        raise refusal("response_format", problem)
    return wanted


def _language(form: Form) -> str | None:
    language = (form.text("language") or "").strip()
    if language and not LANGUAGE.fullmatch(language):
        raise refusal("language", f"{quoted(language)} is no language; send a code such as 'en'")
    return language or None


def _is_stream(form: Form) -> bool:
    value = (form.text("stream") or "").strip().lower()
    if value not in _TRUE | _FALSE:
        raise refusal("stream", f"{quoted(value)} is neither true nor false")
    return value in _TRUE
