"""Which dialect a failed request is told in: OpenAI's, or Anthropic's on its own paths (spec 16).

Paths of both, such as `/v1/models`, speak Anthropic's to whoever sends `anthropic-version`. Files are
OpenAI's alone: who sends that header gets a 404, rather than an answer in a form that it does not know.
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
REQUEST_ID = "request-id"  # as Anthropic names it
_OWN_ROOTS = frozenset({"messages", "complete"})
# With that header, too: a client of Anthropic's sends it to what it takes for Anthropic's API.
_OPENAI_ROOTS = frozenset({"chat", "completions", "responses", "images", "audio"})


def speaks_messages(request: web.Request) -> bool:
    """Tell whether a request is one of Anthropic's dialect."""
    root = _root(request)
    return root in _OWN_ROOTS or (VERSION in request.headers and root not in _OPENAI_ROOTS)


def is_of_another_dialect(request: web.Request) -> bool:
    """Tell whether a request of Anthropic's dialect is for what only OpenAI's has."""
    return _root(request) == "files" and VERSION in request.headers


def failed(request: web.Request, failure: Failure, partial: str = "") -> web.Response:
    """Return the answer to a failed request in its dialect, with the text that had arrived."""
    if not speaks_messages(request):
        return error_response(failure, partial)
    told = as_message_failure(failure)
    error = message_error(told, request[RECORD].request_id, partial)
    return json_response(error, status=told.status, headers=_retry_headers(told))


def _retry_headers(failure: Failure) -> Mapping[str, str]:
    headers = retry_headers(failure)
    return {**headers, SHOULD_RETRY: "false"} if is_permanent(failure.status) else headers


def _root(request: web.Request) -> str:
    """Return the first part of a path of the API below `/v1/`; empty for another path."""
    start = f"{api_base(request.app[CONFIG].server)}/v1/"
    below = request.path.removeprefix(start) if request.path.startswith(start) else ""
    return below.partition("/")[0]
