"""Traces for OpenTelemetry, when it is installed and an endpoint is set (spec 12).

All other settings are OpenTelemetry's own variables. Attributes are those of the access log: no
token, no path of a file, and nothing of the conversation.

    POST /v1/chat/completions          the span of a request, below the caller's own if it has one
      token exchange, upload, turn, download
"""

import logging
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    contextmanager,
    nullcontext,
)
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from service.observing.redaction import redact
from service.version import VERSION

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

PACKAGES = "opentelemetry-sdk opentelemetry-exporter-otlp-proto-http"
CLOSE_SECONDS = 5.0  # for the last spans, when the gateway stops
_SERVICE = "backend-to-v1"
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_HTTP = "http/protobuf"
_SERVER_FAULT = 500
# The fields of the access log that a span has, by their names in a trace.
_ATTRIBUTES = {
    "request_id": "gateway.request_id",
    "method": "http.request.method",
    "route": "http.route",
    "status": "http.response.status_code",
    "bytes": "http.response.body.size",
    "outcome": "gateway.outcome",
    "profile": "gateway.profile",
    "stream": "gateway.stream",
    "first_text_ms": "gateway.first_text_ms",
    "model": "gen_ai.request.model",
    "upstream_model": "gen_ai.response.model",
    "prompt_tokens": "gen_ai.usage.input_tokens",
    "completion_tokens": "gen_ai.usage.output_tokens",
}

_log = logging.getLogger(__name__)


class RequestSpan:
    """The span of a request, which has child spans for its parts."""

    def __init__(self, tracing: "Tracing", span: "Span") -> None:
        self._tracing = tracing
        self._span = span

    def describe(self, name: str, fields: Mapping[str, Any]) -> None:
        """Set the access log's fields as attributes; `name` must not contain anything secret."""
        self._span.update_name(name)
        for field, attribute in _ATTRIBUTES.items():
            value = fields.get(field)
            if value is not None:
                self._span.set_attribute(
                    attribute, redact(str(value)) if isinstance(value, str) else value
                )
        if fields["status"] >= _SERVER_FAULT:
            self._tracing.mark_failed(self._span)

    def child(self, name: str) -> "_Child":
        """Return a context that is a span below this one."""
        return _Child(self._tracing, self._tracing.below(self._span, name))


# The span of the request being answered, for the work done on its behalf; None without traces.
_CURRENT: ContextVar[RequestSpan | None] = ContextVar("_CURRENT", default=None)
_NOTHING = nullcontext()


def child_span(name: str) -> AbstractAsyncContextManager[None]:
    """Return a context that is a span of the current request, or does nothing without one.

    An exception that leaves it marks the span as failed, by its type only.
    """
    request = _CURRENT.get()
    return _NOTHING if request is None else request.child(name)


def request_span(
    tracing: "Tracing | None", headers: Mapping[str, str]
) -> AbstractContextManager[RequestSpan | None]:
    """Return a context that is the span of a request, below the one named by `traceparent`."""
    return _NOTHING if tracing is None else _of_request(tracing, headers)


@contextmanager
def _of_request(tracing: "Tracing", headers: Mapping[str, str]) -> Iterator[RequestSpan]:
    span = tracing.root(headers)
    request = RequestSpan(tracing, span)
    before = _CURRENT.set(request)
    try:
        yield request
    finally:
        _CURRENT.reset(before)
        span.end()


class Tracing:
    """Makes spans and sends them, in a thread of its own.

    Args:
        provider: the configured provider of OpenTelemetry.
    """

    def __init__(self, provider: "TracerProvider") -> None:
        from opentelemetry import trace  # noqa: PLC0415 - it need not be installed
        from opentelemetry.trace.propagation import tracecontext  # noqa: PLC0415 - likewise

        self._provider = provider
        self._trace = trace
        self._propagator = tracecontext.TraceContextTextMapPropagator()
        self._tracer = provider.get_tracer(_SERVICE, VERSION)

    def root(self, headers: Mapping[str, str]) -> "Span":
        """Begin the span of a request."""
        caller = self._propagator.extract(headers)
        return self._tracer.start_span("request", caller, self._trace.SpanKind.SERVER)

    def below(self, span: "Span", name: str) -> "Span":
        """Begin a span below another one."""
        context = self._trace.set_span_in_context(span)
        return self._tracer.start_span(name, context, self._trace.SpanKind.CLIENT)

    def mark_failed(self, span: "Span") -> None:
        """Mark a span as failed."""
        span.set_status(self._trace.StatusCode.ERROR)

    def close(self) -> None:
        """Send the last spans, for `CLOSE_SECONDS` at most; blocks."""
        # The library waits longer, and a non-daemon thread would keep the process alive.
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(CLOSE_SECONDS)


class _Child(AbstractAsyncContextManager[None]):
    """The span of a part of a request, as a context."""

    def __init__(self, tracing: Tracing, span: "Span") -> None:
        self._tracing = tracing
        self._span = span

    @override
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, Exception):  # its message may quote the upstream
            self._span.set_attribute("error.type", type(error).__name__)
            self._tracing.mark_failed(self._span)
        self._span.end()


def open_tracing(environ: Mapping[str, str] | None = None) -> Tracing | None:
    """Return the tracing that the variables ask for; None without any, or where it is not possible.

    Args:
        environ: variables to read; None reads those of the process.
    """
    given = os.environ if environ is None else environ
    if not any(given.get(name) for name in _ENDPOINTS):
        return None
    if given.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    protocol = next((given[name] for name in _PROTOCOLS if given.get(name)), _HTTP)
    if protocol != _HTTP:
        _log.warning("traces are sent by %s only, not by %s: there are none", _HTTP, protocol)
        return None
    try:
        return Tracing(_provider(given))
    except ImportError:
        _log.warning("an endpoint for traces is set, but not installed are: %s", PACKAGES)
        return None


def _provider(environ: Mapping[str, str]) -> "TracerProvider":
    # Imported here, because it need not be installed.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    about = {"service.version": VERSION}
    if not environ.get("OTEL_SERVICE_NAME"):
        about["service.name"] = _SERVICE
    provider = TracerProvider(resource=Resource.create(about), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider
