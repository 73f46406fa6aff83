"""Traces, sent by the real OpenTelemetry packages to a small real receiver."""

import asyncio
import base64
import gzip
import subprocess
import sys
import threading
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from service.observing.tracing import child_span, open_tracing, request_span
from tests.conftest import StartGateway
from tests.gateway import until
from tests.service.program.gateway_process import ROOT

TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CALLER = {"traceparent": f"00-{TRACE_ID}-{SPAN_ID}-01"}
TOKEN = "a-refresh-token-of-a-caller"
SECRET_WORDS = "the words of a secret talk"


class Receiver:
    """Takes traces as a collector does."""

    def __init__(self) -> None:
        self.url = ""
        self.raw = b""
        self.spans: list[Span] = []
        self.resource: dict[str, str] = {}

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        if request.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.raw += body
        for part in ExportTraceServiceRequest.FromString(body).resource_spans:
            for pair in part.resource.attributes:
                self.resource[pair.key] = pair.value.string_value
            for scope in part.scope_spans:
                self.spans += scope.spans
        answer = ExportTraceServiceResponse().SerializeToString()
        return web.Response(body=answer, content_type="application/x-protobuf")

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]

    @property
    def names(self) -> list[str]:
        return [span.name for span in self.spans]


@pytest.fixture
async def receiver(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Receiver]:
    made = Receiver()
    app = web.Application()
    app.router.add_post("/v1/traces", made.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", made.url)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield made
    await runner.cleanup()


def attributes(span: Span) -> dict[str, object]:
    return {
        pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in span.attributes
    }


async def test_a_request_is_a_span_with_a_child_for_each_part_of_the_work(
    receiver: Receiver, demo: str, start_gateway: StartGateway
) -> None:
    gateway = await start_gateway(demo)
    picture = base64.b64encode(SECRET_WORDS.encode()).decode()
    content = [
        {"type": "text", "text": f"draw two boats {SECRET_WORDS}"},
        {"type": "image_url", "image_url": {"url": f"data:text/plain;base64,{picture}"}},
    ]
    answer = await gateway.chat(
        token=TOKEN,
        headers={**CALLER, "x-request-id": "the-id"},
        messages=[{"role": "user", "content": content}],
    )
    assert answer.status == 200, answer.body
    link = answer.json["x_images"][0]["url"].rpartition("/")[2]
    assert (await (await gateway.session.get(f"{gateway.url}/images/{link}")).read())[1:4] == b"PNG"
    await gateway.stop()

    (request,) = receiver.named("POST /v1/chat/completions")
    assert (request.trace_id.hex(), request.parent_span_id.hex()) == (TRACE_ID, SPAN_ID)
    children = [span for span in receiver.spans if span.parent_span_id == request.span_id]
    assert {span.name for span in children} == {"token exchange", "turn", "upload", "download"}
    assert {span.trace_id.hex() for span in children} == {TRACE_ID}
    said = attributes(request)
    assert (said["gateway.request_id"], said["gateway.outcome"]) == ("the-id", "complete")
    assert (said["http.response.status_code"], said["http.route"]) == (200, "/v1/chat/completions")
    assert (said["gen_ai.request.model"], said["gen_ai.response.model"]) == ("gpt-4o", "gpt-4o")
    assert isinstance(said["gen_ai.usage.output_tokens"], int)
    assert receiver.resource["service.name"] == "backend-to-v1"
    assert "GET /images/{name}" in receiver.names
    for secret in (TOKEN, "words", "boats", link, "eyJ", "http://"):
        assert secret.encode() not in receiver.raw


async def test_a_failure_is_told_by_its_kind_and_not_by_its_words(
    receiver: Receiver, demo: str, start_gateway: StartGateway
) -> None:
    gateway = await start_gateway(demo, upstream={"retries": 0})
    answer = await gateway.chat("/fault 500", headers=CALLER)
    assert answer.status == 502
    await gateway.stop()
    (turn,) = receiver.named("turn")
    assert turn.status.code == Status.STATUS_CODE_ERROR
    assert attributes(turn) == {"error.type": "UpstreamRefusedError"}
    (request,) = receiver.named("POST /v1/chat/completions")
    assert request.status.code == Status.STATUS_CODE_ERROR
    assert attributes(request)["gateway.outcome"] == "refused"


async def test_a_caller_without_a_trace_begins_one_and_spans_come_while_it_runs(
    receiver: Receiver, demo: str, start_gateway: StartGateway
) -> None:
    gateway = await start_gateway(demo)
    await gateway.chat("hello", stream=True)
    await until(lambda: "POST /v1/chat/completions" in receiver.names, seconds=20)
    (request,) = receiver.named("POST /v1/chat/completions")
    assert request.parent_span_id == b""
    assert attributes(request)["gateway.stream"] is True


async def test_a_caller_that_is_not_sampled_costs_no_span(
    receiver: Receiver, demo: str, start_gateway: StartGateway
) -> None:
    gateway = await start_gateway(demo)
    await gateway.chat("hello", headers={"traceparent": f"00-{TRACE_ID}-{SPAN_ID}-00"})
    await gateway.stop()
    assert receiver.spans == []


async def test_a_collector_that_is_gone_costs_no_request_and_no_time_at_the_end(
    demo: str, start_gateway: StartGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    monkeypatch.setattr("service.observing.tracing.CLOSE_SECONDS", 0.1)
    before = set(threading.enumerate())
    gateway = await start_gateway(demo)
    assert (await gateway.chat("hello")).status == 200
    async with asyncio.timeout(20):
        await gateway.stop()
    # Unfinished exports must not run beside other tests: they draw from the shared random numbers.
    for thread in set(threading.enumerate()) - before:
        if thread.daemon:
            await asyncio.to_thread(thread.join, 60)


def test_nothing_is_traced_unless_an_endpoint_is_set(caplog: pytest.LogCaptureFixture) -> None:
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    assert open_tracing({}) is None
    assert open_tracing({**endpoint, "OTEL_SDK_DISABLED": "true"}) is None
    assert not caplog.messages
    assert open_tracing({**endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}) is None
    assert "http/protobuf only, not by grpc" in caplog.messages[0]


def test_missing_packages_are_one_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    assert open_tracing({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:9"}) is None
    assert "not installed are: opentelemetry-sdk" in caplog.messages[0]


async def test_without_traces_a_span_is_nothing() -> None:
    with request_span(None, {}) as span:
        assert span is None
        assert child_span("turn") is child_span("upload")
        async with child_span("turn"):
            pass


@pytest.mark.whole
def test_without_traces_nothing_that_sends_them_is_even_imported() -> None:
    program = (
        "import sys, service.program.assembly; sys.exit('opentelemetry.exporter' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0
