"""deploy/nginx.conf, checked and run by a real nginx in front of a real gateway process."""

import http.client
import json
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.nginx_server import NGINX, configuration, running_nginx
from tests.service.program.gateway_process import GatewayProcess, fetch

ROOT = Path(__file__).resolve().parents[2]
STUB = str(ROOT / "tests" / "service" / "program" / "stub_gateway.py")

pytestmark = pytest.mark.needs_nginx

SETTINGS = """
server: {host: 127.0.0.1, port: 0, drain_seconds: 1}
upstream: {base_url: 'http://a'}
"""


class Place(NamedTuple):
    """The address of an nginx, the two gateways behind it, and the folder of their folders."""

    nginx: str
    gateways: list[GatewayProcess]
    folder: Path


@contextmanager
def running_two(folder: Path) -> Iterator[Place]:
    gateways = []
    try:
        for name in ("one", "two"):
            (folder / name).mkdir()
            (folder / name / "config.yaml").write_text(SETTINGS)
            gateways.append(GatewayProcess(folder / name, STUB))
        addresses = [gateway.address().removeprefix("http://") for gateway in gateways]
        with running_nginx(folder, addresses) as address:
            yield Place(address, gateways, folder)
    finally:
        for gateway in gateways:
            gateway.close()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Place]:
    """A place for a test that stops or breaks a gateway."""
    with running_two(tmp_path) as place:
        yield place


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with running_two(tmp_path_factory.mktemp("nginx")) as place:
        yield place


@pytest.fixture
def nginx(shared: Place) -> str:
    return shared.nginx


@pytest.mark.skipif(NGINX is None, reason="nginx is not installed")
def test_nginx_takes_the_file(tmp_path):
    path = configuration(tmp_path, 80, ["127.0.0.1:33333", "127.0.0.1:33334"])
    result = subprocess.run(
        [NGINX, "-t", "-p", str(tmp_path), "-c", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "warn" not in result.stderr


def test_the_file_names_the_gateway_of_docker_compose():
    text = (ROOT / "deploy" / "nginx.conf").read_text()
    assert len(re.findall(r"^\s*server gateway:33333;$", text, re.MULTILINE)) == 1


def test_a_stream_passes_through_piece_by_piece(nginx):
    response = fetch(f"{nginx}/slow?tenths=30")
    assert response.read1(1) == b"."
    began = time.monotonic()
    rest = response.read()
    assert rest == b"." * 29 + b"end"
    assert time.monotonic() - began > 0.5  # what nginx gathers comes all at once


def test_a_caller_that_leaves_is_noticed_behind_nginx(nginx, shared):
    response = fetch(f"{nginx}/slow?tenths=100")
    response.read1(1)
    response.close()
    end = time.monotonic() + 30
    while not list(shared.folder.glob("*/cancelled")) and time.monotonic() < end:
        time.sleep(0.05)
    assert list(shared.folder.glob("*/cancelled"))


def test_both_gateways_are_used_and_one_that_stops_is_passed_over(own):
    pids = {fetch(f"{own.nginx}/about").read() for _ in range(6)}
    assert len(pids) == 2
    assert own.gateways[0].stop() == 0
    assert [fetch(f"{own.nginx}/about").status for _ in range(4)] == [200] * 4


def test_what_was_sent_to_a_gateway_that_breaks_is_not_sent_to_another(own):
    connection = http.client.HTTPConnection(own.nginx.removeprefix("http://"), timeout=20)
    with closing(connection):
        connection.request("POST", "/vanish", b"a question")
        response = connection.getresponse()
        assert response.status == 502
        assert response.headers["Content-Type"] == "application/json"
        assert json.loads(response.read())["error"]["code"] == "gateway_unreachable"
    assert len(list(own.folder.glob("*/vanished"))) == 1


def test_without_any_gateway_the_answer_is_an_error_object_too(own):
    for gateway in own.gateways:
        assert gateway.stop() == 0
    assert json.loads(ask(own.nginx, "POST", "/size", b"x"))["error"]["type"] == "server_error"


def test_an_error_of_a_gateway_passes_as_it_is(nginx):
    assert ask(nginx, "GET", "/fail") == "of the gateway"


def ask(nginx: str, *request: object) -> str:
    connection = http.client.HTTPConnection(nginx.removeprefix("http://"), timeout=20)
    with closing(connection):
        connection.request(*request)
        return connection.getresponse().read().decode()


def test_what_a_caller_claims_about_itself_is_replaced(nginx):
    claims = {"X-Forwarded-For": "6.6.6.6", "Forwarded": "for=6.6.6.6", "X-Forwarded-Proto": "ftp"}
    text = ask(nginx, "GET", "/headers", None, {**claims, "Host": "chat.example.org:8443"})
    assert "6.6.6.6" not in text
    assert "X-Forwarded-For: 127.0.0.1" in text
    assert "X-Forwarded-Proto: http" in text
    assert "X-Forwarded-Host: chat.example.org:8443" in text
    assert "Host: chat.example.org:8443" in text


def test_a_large_body_and_a_long_token_pass(nginx):
    token = {"Authorization": f"Bearer {'x' * 8192}"}
    assert ask(nginx, "POST", "/size", b"x" * 5_000_000, token) == "5000000"
