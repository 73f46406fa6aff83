"""The table of endpoints: every route of the application, with what goes in and what comes out.

A test compares it with the router; what is below is in the order of the document.
"""

from typing import Any

from handlers.openapi import answers, response_answers
from handlers.openapi.endpoint import Body, Endpoint, Parameter, Place
from handlers.openapi.fields import PROFILE_PATTERN

# What may become of a request that asks the upstream for an answer: our own statuses, and
# those that its refusals are given.
_TURN = (400, 401, 403, 404, 413, 429, 500, 502, 503, 504, 507)
_KEPT = (400, 401, 404, 500)
_UPLOAD = (400, 401, 413, 500, 503, 507)

_AFTER = Parameter("after", "query", "The id of the last entry that is known already.")
_ORDER = Parameter(
    "order",
    "query",
    "The newest last, or first: `asc` or `desc`.",
    {"type": "string", "pattern": "^(asc|desc)?$"},
)
_PROFILE = Parameter(
    "x-render-profile",
    "header",
    "How the answer is rendered: `web`, `bot` or `raw`.",
    {"type": "string", "pattern": PROFILE_PATTERN},
)
_IDEMPOTENCY = Parameter(
    "Idempotency-Key",
    "header",
    "Requests of one key with the same value share one turn.",
    {"type": "string", "maxLength": 255},
)
_ACCOUNT = Parameter(
    "ChatGPT-Account-ID",
    "header",
    "The account to act for.",
    {"type": "string", "pattern": "^[A-Za-z0-9_-]{0,128}$"},
)
_LISTED_FOR = Parameter(_ACCOUNT.name, "header", "The account to list for; a wrong one is none.")
_FOR_TURNS = (_ACCOUNT, _PROFILE, _IDEMPOTENCY)
_E = Parameter("e", "query", "When a signed link expires, in seconds since 1970.")
_S = Parameter("s", "query", "The signature of a link that expires.")


def _limit(default: int, most: int) -> Parameter:
    schema = {"type": "integer", "minimum": 1, "maximum": most, "default": default}
    return Parameter("limit", "query", "How many entries a page has.", schema)


def _id(description: str, name: str = "id") -> Parameter:
    return Parameter(name, "path", description, {"type": "string", "minLength": 1})


_FILE_ID = _id("The id of a file.")
_RESPONSE_ID = _id("The id of a response.")

ENDPOINTS = (
    Endpoint(
        method="post",
        path="/v1/chat/completions",
        id="createChatCompletion",
        summary="Answer a chat.",
        tag="Chat",
        request="ChatCompletionRequest",
        answer=answers.ChatCompletion,
        events=answers.ChatCompletionChunk,
        parameters=_FOR_TURNS,
        errors=_TURN,
    ),
    Endpoint(
        method="post",
        path="/v1/completions",
        id="createCompletion",
        summary="Answer a prompt, the form before chats.",
        tag="Chat",
        request="CompletionRequest",
        answer=answers.Completion,
        events=answers.CompletionChunk,
        parameters=_FOR_TURNS,
        errors=_TURN,
    ),
    Endpoint(
        method="post",
        path="/v1/responses",
        id="createResponse",
        summary="Answer an input, and keep the answer for going on from it.",
        tag="Responses",
        request="ResponseRequest",
        answer=response_answers.ModelResponse,
        events=response_answers.ResponseEvent,
        parameters=_FOR_TURNS,
        errors=_TURN,
    ),
    Endpoint(
        method="get",
        path="/v1/responses/{id}",
        id="getResponse",
        summary="A response as it is now.",
        tag="Responses",
        answer=response_answers.ModelResponse,
        parameters=(
            _RESPONSE_ID,
            Parameter(
                "stream",
                "query",
                "A response can be streamed only when it is created.",
                {"type": "string", "pattern": "^([Ff][Aa][Ll][Ss][Ee])?$"},
            ),
        ),
        errors=_KEPT,
    ),
    Endpoint(
        method="delete",
        path="/v1/responses/{id}",
        id="deleteResponse",
        summary="Forget a response.",
        tag="Responses",
        answer=response_answers.DeletedResponse,
        parameters=(_RESPONSE_ID,),
        errors=_KEPT,
    ),
    Endpoint(
        method="post",
        path="/v1/responses/{id}/cancel",
        id="cancelResponse",
        summary="End a response that is being written.",
        tag="Responses",
        answer=response_answers.ModelResponse,
        parameters=(_RESPONSE_ID,),
        errors=_KEPT,
    ),
    Endpoint(
        method="get",
        path="/v1/responses/{id}/input_items",
        id="listInputItems",
        summary="What a response was asked for, the last item first.",
        tag="Responses",
        answer=response_answers.InputItemList,
        parameters=(_RESPONSE_ID, _AFTER, _limit(20, 100), _ORDER),
        errors=_KEPT,
    ),
    Endpoint(
        method="post",
        path="/v1/images/generations",
        id="createImage",
        summary="Draw pictures.",
        tag="Images",
        request="ImageRequest",
        answer=answers.Images,
        parameters=_FOR_TURNS,
        errors=_TURN,
    ),
    Endpoint(
        method="post",
        path="/v1/images/edits",
        id="createImageEdit",
        summary="Draw pictures from those in a form.",
        tag="Images",
        request="ImageEditForm",
        body=Body.FORM,
        answer=answers.Images,
        parameters=_FOR_TURNS,
        errors=_TURN,
    ),
    Endpoint(
        method="post",
        path="/v1/images/variations",
        id="createImageVariation",
        summary="Draw variations of the picture in a form.",
        tag="Images",
        request="ImageVariationForm",
        body=Body.FORM,
        answer=answers.Images,
        parameters=_FOR_TURNS,
        errors=_TURN,
    ),
    Endpoint(
        method="post",
        path="/v1/audio/speech",
        id="createSpeech",
        summary="Read a text aloud, or an answer that is there already.",
        tag="Sound",
        request="SpeechRequest",
        media=("audio/*",),
        parameters=(_ACCOUNT,),
        errors=_TURN,
    ),
    Endpoint(
        method="post",
        path="/v1/audio/transcriptions",
        id="createTranscription",
        summary="Write the recording of a form down.",
        tag="Sound",
        request="TranscriptionForm",
        body=Body.FORM,
        answer=answers.Transcription,
        events=answers.TranscriptEvent,
        media=("text/plain",),
        parameters=(_ACCOUNT,),
        errors=_TURN,
    ),
    Endpoint(
        method="get",
        path="/v1/models",
        id="listModels",
        summary="The names that can be asked for.",
        tag="Models",
        answer=answers.ModelList,
        parameters=(_LISTED_FOR,),
        needs_key=None,
    ),
    Endpoint(
        method="get",
        path="/v1/models/{id}",
        id="retrieveModel",
        summary="One name that can be asked for; it may have slashes in it.",
        tag="Models",
        answer=answers.Model,
        parameters=(_id("The name."), _LISTED_FOR),
        errors=(404,),
        needs_key=None,
    ),
    Endpoint(
        method="post",
        path="/v1/files",
        id="createFile",
        summary="Leave a file here for later requests.",
        tag="Files",
        request="FileForm",
        body=Body.FORM,
        answer=answers.File,
        parameters=(_ACCOUNT,),
        errors=_UPLOAD,
    ),
    Endpoint(
        method="get",
        path="/v1/files",
        id="listFiles",
        summary="The caller's files, the newest first.",
        tag="Files",
        answer=answers.FileList,
        parameters=(
            _ACCOUNT,
            _AFTER,
            _limit(10_000, 10_000),
            _ORDER,
            Parameter("purpose", "query", "Only files of this purpose."),
        ),
        errors=(400, 401, 500),
    ),
    Endpoint(
        method="get",
        path="/v1/files/{id}",
        id="retrieveFile",
        summary="What is known of one file.",
        tag="Files",
        answer=answers.File,
        parameters=(_FILE_ID, _ACCOUNT),
        errors=(401, 404, 500),
    ),
    Endpoint(
        method="delete",
        path="/v1/files/{id}",
        id="deleteFile",
        summary="Forget a file.",
        tag="Files",
        answer=answers.DeletedFile,
        parameters=(_FILE_ID, _ACCOUNT),
        errors=(401, 404, 500),
    ),
    Endpoint(
        method="get",
        path="/v1/files/{id}/content",
        id="downloadFile",
        summary="The bytes of a file, or a range of them.",
        tag="Files",
        media=("application/octet-stream",),
        parameters=(_FILE_ID, _ACCOUNT),
        errors=(401, 404, 500),
    ),
    Endpoint(
        method="post",
        path="/getAccountID",
        id="listAccountIds",
        summary="The credential's account ids, by plan.",
        tag="Gateway",
        answer=dict[str, list[str]],
        errors=(401, 403, 429, 502, 503, 504),
    ),
    *(
        Endpoint(
            method="get",
            path=f"{place}/dashboard/billing/{name}",
            id=f"{operation}{suffix}",
            summary="What balance buttons ask for: nothing is counted or sold here.",
            tag="Gateway",
            answer=answer,
            errors=(401,),
        )
        for place, suffix in (("", ""), ("/v1", "OfApi"))
        for name, operation, answer in (
            ("subscription", "getSubscription", answers.Subscription),
            ("usage", "getBilledUsage", answers.BilledUsage),
        )
    ),
    Endpoint(
        method="get",
        path="/images/{name}",
        id="getImage",
        summary="A stored picture, or a range of it; the name is the key.",
        tag="Stored files",
        place=Place.BOTH,
        media=("image/*", "application/octet-stream"),
        parameters=(_id("As an answer names it.", "name"), _E, _S),
        errors=(404, 500),
        needs_key=False,
    ),
    Endpoint(
        method="get",
        path="/files/{name}",
        id="getStoredFile",
        summary="A stored file, or a range of it; the name is the key.",
        tag="Stored files",
        place=Place.BOTH,
        media=("*/*",),
        parameters=(_id("As an answer names it.", "name"), _E, _S),
        errors=(404, 500),
        needs_key=False,
    ),
    Endpoint(
        method="get",
        path="/openapi.json",
        id="getDescription",
        summary="This description.",
        tag="Gateway",
        place=Place.BOTH,
        answer=dict[str, Any],
        needs_key=False,
    ),
    Endpoint(
        method="get",
        path="/healthz",
        id="getHealth",
        summary="Whether the process is alive.",
        tag="Gateway",
        place=Place.ROOT,
        answer=answers.Health,
        needs_key=False,
    ),
    Endpoint(
        method="get",
        path="/readyz",
        id="getReadiness",
        summary="Whether requests can be served now, with the reason for each part that cannot.",
        tag="Gateway",
        place=Place.ROOT,
        answer=answers.Readiness,
        parameters=(
            Parameter(
                "exclude",
                "query",
                "Parts to leave out.",
                {
                    "type": "array",
                    "items": {"type": "string", "enum": ["state", "blobs", "upstream"]},
                },
            ),
            Parameter("verbose", "query", "With it, all that is known of each part."),
        ),
        errors=(400,),
        needs_key=False,
    ),
    Endpoint(
        method="get",
        path="/metrics",
        id="getMetrics",
        summary="All figures, for Prometheus; with `metrics.enabled` off there are none.",
        tag="Gateway",
        place=Place.ROOT,
        media=("text/plain",),
        errors=(404,),
        needs_key=False,
    ),
    Endpoint(
        method="get",
        path="/",
        id="getIndex",
        summary="The console page for browsers; for all others, what this is and where its parts are.",
        tag="Gateway",
        place=Place.ROOT,
        answer=answers.Index,
        media=("text/html",),
        needs_key=False,
    ),
    Endpoint(
        method="get",
        path="/console/{path}",
        id="getConsoleFile",
        summary="A part of the console page.",
        tag="Gateway",
        place=Place.ROOT,
        media=("text/css", "text/html", "text/javascript", "text/plain", "image/svg+xml"),
        parameters=(_id("The path of the part.", "path"),),
        errors=(404,),
        needs_key=False,
    ),
)
