"""`GET /openapi.json`: this gateway's API as an OpenAPI 3.1 document."""

from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import web
from msgspec import Struct

from handlers.edge.headers import (
    IGNORED_FIELDS,
    OVERHEAD,
    RETRY_AFTER,
    SHOULD_RETRY,
    UPSTREAM_MODEL,
)
from handlers.edge.json_replies import json_response
from handlers.edge.links import public_url
from handlers.edge.not_offered import REASONS
from handlers.openapi.endpoint import Body, Endpoint, Parameter, Schema
from handlers.openapi.forms import FORMS
from handlers.openapi.schemas import answer_components, reference, request_components, spelled_out
from service.connections.bad_http import REQUEST_ID
from service.keys import CONFIG
from service.version import VERSION
from service.vocabulary.errors import ServiceError

_JSON, _EVENTS = "application/json", "text/event-stream"
_DONE = "[DONE]"
_FOR_OPERATORS = ("/healthz", "/readyz", "/metrics")
_NOT_ADMITTED = (HTTPStatus.SERVICE_UNAVAILABLE,)
_BAD_KEY = (401, 403, 429, 500)  # errors of a gateway key; a request without one needs none
_RANGED = (HTTPStatus.PARTIAL_CONTENT, HTTPStatus.NOT_MODIFIED)
# Statuses whose meaning no error class states.
_BESIDE = {
    403: "The upstream does not let this account do this.",
    529: "The upstream, or this server, is overloaded.",
    500: "This server met an unexpected fault, or one of its stores failed.",
}
_KEYS: list[dict[str, list[str]]] = [{"bearer": []}, {"apiKey": []}, {"xApiKey": []}]
_ADMIN_KEYS: list[dict[str, list[str]]] = [{"adminKey": []}]
_ADMIN_SCHEME = {
    "adminKey": {
        "type": "http",
        "scheme": "bearer",
        "description": "The operator's key, `server.admin_key`.",
    }
}
_SCHEMES: dict[str, dict[str, str]] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "A refresh or access token, and with it `,<account id>`.",
    },
    "apiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "api-key",
        "description": "The same token, for clients that know this header only.",
    },
    "xApiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "x-api-key",
        "description": "The same token, as clients of Anthropic's dialect send it.",
    },
}
_HEADERS: Mapping[str, str] = {
    REQUEST_ID: "The id of this request: the caller's own if it is sane, else a new one.",
    IGNORED_FIELDS: "The fields that were given and have no effect.",
    UPSTREAM_MODEL: "The upstream's name of the model that answered, of whole answers.",
    OVERHEAD: "The milliseconds that this gateway took, of whole answers.",
    RETRY_AFTER: "When to try again, in seconds.",
    SHOULD_RETRY: "`false` where trying again would not help for long.",
}
_INFO = (
    "The OpenAI API in front of the ChatGPT web backend. Fields that are unknown here are "
    "accepted; those without an effect are named in `x-ignored-fields`. A stream is described "
    "by one of its events; where the text ends with `[DONE]`, that is the last."
)


def described(request: web.Request, document: Mapping[str, Any]) -> web.Response:
    """Answer with a description, with the address that this caller uses."""
    servers = [{"url": public_url(request, request.app[CONFIG].server)}]
    return json_response({**document, "servers": servers}, headers={"Cache-Control": "no-cache"})


def made_document(endpoints: Sequence[Endpoint], base: str) -> dict[str, Any]:
    """Return the description of endpoints, without a server address.

    Args:
        endpoints: the rows of the table.
        base: the part before `/v1` in the API's paths.
    """
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        for path, suffix in endpoint.places(base):
            paths.setdefault(path, {})[endpoint.method] = _operation(endpoint, suffix)
    return {
        "openapi": "3.1.0",
        "info": {"title": "backend-to-v1", "version": VERSION, "description": _INFO},
        "paths": spelled_out(paths),
        "components": spelled_out(_components(endpoints)),
        "tags": [{"name": tag} for tag in dict.fromkeys(each.tag for each in endpoints)],
        "x-not-offered": {f"{base}/v1/{path}": reason for path, reason in REASONS.items()},
    }


def _operation(endpoint: Endpoint, suffix: str) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": f"{endpoint.id}{suffix}",
        "summary": endpoint.summary,
        "tags": [endpoint.tag],
        "security": _security(endpoint),
        "responses": _responses(endpoint),
    }
    if endpoint.parameters:
        operation["parameters"] = [_parameter(each) for each in endpoint.parameters]
    if endpoint.request is not None:
        content = {endpoint.body.value: {"schema": reference(endpoint.request)}}
        if endpoint.json_request is not None:
            content[Body.JSON.value] = {"schema": reference(endpoint.json_request)}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _security(endpoint: Endpoint) -> list[dict[str, list[str]]]:
    if endpoint.is_for_admin:
        return _ADMIN_KEYS
    return {True: _KEYS, None: [*_KEYS, {}], False: []}[endpoint.needs_key]


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.place == "path",
        "description": parameter.description,
        "schema": parameter.schema,
    }


def _responses(endpoint: Endpoint) -> dict[str, Any]:
    content: dict[str, Any] = {media: {} for media in endpoint.media}
    if endpoint.answer is not None:
        content[_JSON] = {"schema": _schema_of(*endpoint.answers)}
    if endpoint.events is not None:
        content[_EVENTS] = {"schema": _event_schema(endpoint.events, endpoint.error)}
    names = (REQUEST_ID, IGNORED_FIELDS, UPSTREAM_MODEL, OVERHEAD)
    headers = _headers(*(names if endpoint.request else names[:1]))
    responses: dict[str, Any] = {
        "200": {"description": endpoint.summary, "headers": headers, "content": content}
    }
    if endpoint.answer is None and endpoint.method == "get":
        for other in _RANGED:
            responses[str(other.value)] = {"description": other.phrase, "headers": headers}
    if endpoint.id == "getReadiness":
        responses["503"] = {**responses["200"], "description": "Requests cannot be served now."}
    for status in _errors_of(endpoint):
        name = f"{endpoint.error.__name__}{status}"
        responses[str(status)] = {"$ref": f"#/components/responses/{name}"}
        if endpoint.other_error is not None:
            responses[str(status)] = _either_error(endpoint.error, endpoint.other_error, status)
    return responses


def _headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _schema_of(*records: Any) -> Schema:
    schemas, _ = msgspec.json.schema_components(records, ref_template="#/components/schemas/{name}")
    return dict(schemas[0]) if len(schemas) == 1 else {"anyOf": list(schemas)}


def _event_schema(record: Any, error: type[Struct]) -> Schema:
    """Return the schema of one event of a stream: its data is JSON, or the end mark."""
    data = {
        "type": "string",
        "contentMediaType": _JSON,
        "contentSchema": {"anyOf": [_schema_of(record), reference(error.__name__)]},
    }
    return {
        "type": "object",
        "properties": {
            "event": {"type": "string"},
            "data": {"anyOf": [{"const": _DONE}, data]},
        },
        "required": ["data"],
    }


def _components(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    records: list[Any] = []
    for endpoint in endpoints:
        records += [
            endpoint.error,
            *endpoint.answers,
            *([endpoint.events] if endpoint.events else []),
        ]
    requests = {endpoint.request for endpoint in endpoints}
    requests |= {endpoint.json_request for endpoint in endpoints}
    has_admin = any(endpoint.is_for_admin for endpoint in endpoints)
    return {
        "schemas": {**request_components(requests), **FORMS, **answer_components(records)},
        "responses": _failures(endpoints),
        "headers": {
            name: {"description": text, "schema": {"type": "string"}}
            for name, text in _HEADERS.items()
        },
        "securitySchemes": {**_SCHEMES, **(_ADMIN_SCHEME if has_admin else {})},
    }


def _errors_of(endpoint: Endpoint) -> list[int]:
    """Return the error statuses of an endpoint, with those of admission."""
    admitted = () if endpoint.path in _FOR_OPERATORS else _NOT_ADMITTED
    key = _BAD_KEY if endpoint.needs_key is not False else ()
    body = (HTTPStatus.REQUEST_TIMEOUT,) if endpoint.request else ()
    return sorted({int(one) for one in (*endpoint.errors, *admitted, *key, *body)})


def _either_error(one: type[Struct], other: type[Struct], status: int) -> dict[str, Any]:
    """Return the response for a failed request that is told in one of two dialects."""
    failure = _error(one.__name__, status)
    schemas = [reference(error.__name__) for error in (one, other)]
    return failure | {"content": {_JSON: {"schema": {"anyOf": schemas}}}}


def _failures(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """Return the responses for failed requests, by error record and status."""
    found = {
        (endpoint.error.__name__, status)
        for endpoint in endpoints
        for status in _errors_of(endpoint)
    }
    return {f"{name}{status}": _error(name, status) for name, status in sorted(found)}


def _error(name: str, status: int) -> dict[str, Any]:
    """Return the response for an error status, described by the errors that have it."""
    texts = [error.__doc__ or "" for error in _tree(ServiceError) if error.status == status]
    texts.append(_BESIDE.get(status, ""))
    names = (REQUEST_ID, RETRY_AFTER, SHOULD_RETRY)
    return {
        "description": " ".join(text.partition("\n")[0] for text in texts if text),
        "headers": _headers(*names),
        "content": {_JSON: {"schema": reference(name)}},
    }


def _tree(error: type[ServiceError]) -> Iterator[type[ServiceError]]:
    """Yield an error and those below it that set a status of their own."""
    if error is not ServiceError and "status" in vars(error):
        yield error
    for below in error.__subclasses__():
        yield from _tree(below)
