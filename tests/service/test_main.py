"""`python -m service` as a first-time user starts it: the whole program and the demo."""

import http.client
import json
from contextlib import closing

import pytest

from tests.service.program.gateway_process import GatewayProcess

pytestmark = pytest.mark.whole


@pytest.fixture(params=[1, 2], ids=["one process", "two workers"])
def gateway(tmp_path, request):
    listen = {"GATEWAY_SERVER__HOST": "127.0.0.1", "GATEWAY_SERVER__PORT": "0"}
    workers = {"GATEWAY_SERVER__WORKERS": str(request.param)}
    process = GatewayProcess(tmp_path, "-m", "service", **listen, **workers)
    process.address()
    yield process
    process.close()


def chat(gateway: GatewayProcess, *, stream: bool) -> tuple[int, str]:
    body = {
        "model": "gpt-4o",
        "stream": stream,
        "messages": [{"role": "user", "content": "Hello"}],
    }
    headers = {"Authorization": "Bearer demo", "Content-Type": "application/json"}
    address = gateway.address().removeprefix("http://")
    with closing(http.client.HTTPConnection(address, timeout=60)) as connection:
        connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        response = connection.getresponse()
        return response.status, response.read().decode()


def test_it_says_what_to_try_answers_whole_and_streamed_and_stops(gateway, tmp_path):
    assert gateway.output.count("  curl ") == 3
    assert f"{gateway.address()}/ in a browser" in gateway.output
    assert gateway.get("/healthz")
    status, text = chat(gateway, stream=False)
    assert status == 200, text
    assert json.loads(text)["choices"][0]["message"]["content"]
    status, text = chat(gateway, stream=True)
    assert status == 200, text
    assert text.endswith("data: [DONE]\n\n")
    assert gateway.stop() == 0
    assert "Traceback" not in gateway.error
    assert (tmp_path / "log" / "access.log").exists()
