"""The dialect of an answer: Anthropic's on Anthropic's own paths, else OpenAI's (spec 16).

Paths of both, such as `/v1/models`, answer in Anthropic's if the request has the header
`anthropic-version`. Files exist in OpenAI's only: a request with that header gets a 404, because
its client would not understand OpenAI's answer.
"""

from collections.abc import Mapping

from aiohttp import web

from handlers.edge.headers import SHOULD_RETRY, retry_headers
from handlers.edge.json_replies import error_response, json_response
from handlers.edge.links import api_base
from handlers.edge.record import RECORD
from service.keys import CONFIG
from service.stages.encode.message_errors import as_message_failure, is_permanent, message_error
from service.vocabulary.events import Failure

VERSION = "anthropic-version"
REQUEST_ID = "request-id"  # Anthropic's own name
_OWN_ROOTS = frozenset({"messages", "complete"})
# Also with that header: Anthropic's clients send it to any address that they take for its API.
_OPENAI_ROOTS = frozenset({"chat", "completions", "responses", "images", "audio"})


def speaks_messages(request: web.Request) -> bool:
    """Tell whether a request is in Anthropic's dialect."""
    root = _root(request)
    return root in _OWN_ROOTS or (VERSION in request.headers and root not in _OPENAI_ROOTS)


def is_of_another_dialect(request: web.Request) -> bool:
    """Tell whether a request in Anthropic's dialect is for a path that only OpenAI's has."""
    return VERSION in request.headers and _root(request) == "files"


def failed(request: web.Request, failure: Failure, partial: str = "") -> web.Response:
    """Return the answer to a failed request in its dialect, with the partial text."""
    if not speaks_messages(request):
        return error_response(failure, partial)
    told = as_message_failure(failure)
    error = message_error(told, request[RECORD].request_id, partial)
    return json_response(error, status=told.status, headers=_retry_headers(told))


def _retry_headers(failure: Failure) -> Mapping[str, str]:
    headers = retry_headers(failure)
    return {**headers, SHOULD_RETRY: "false"} if is_permanent(failure.status) else headers


def _root(request: web.Request) -> str:
    """Return the first part of an API path after `/v1/`; empty for another path."""
    start = f"{api_base(request.app[CONFIG].server)}/v1/"
    path = request.path
    return path[len(start) :].partition("/")[0] if path.startswith(start) else ""
