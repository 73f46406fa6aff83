"""deploy/nginx.conf, checked and run by a real nginx in front of a real gateway process."""

import http.client
import re
import shutil
import socket
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.service.gateway_process import GatewayProcess, fetch

ROOT = Path(__file__).resolve().parents[2]
STUB = str(ROOT / "tests" / "service" / "stub_gateway.py")
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/sbin")

pytestmark = [
    pytest.mark.needs_nginx,
    pytest.mark.skipif(NGINX is None, reason="nginx is not installed"),
]

SETTINGS = """
server: {host: 127.0.0.1, port: 0, drain_seconds: 1}
upstream: {base_url: 'http://a'}
"""


def configuration(folder: Path, listen: int, gateways: list[str]) -> Path:
    """Write the shipped file with this test's ports and a folder that any user may write."""
    text = (ROOT / "deploy" / "nginx.conf").read_text()
    servers = "\n".join(f"server {gateway};" for gateway in gateways)
    text = text.replace("server gateway:33333;", servers)
    text = text.replace("listen 80;", f"listen 127.0.0.1:{listen};")
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    text = text.replace("http {", f"http {{\n{temporary}", 1)
    path = folder / "nginx.conf"
    path.write_text(f"pid {folder}/nginx.pid;\nerror_log {folder}/error.log;\n{text}")
    return path


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


@pytest.fixture
def gateways(tmp_path):
    made = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.yaml").write_text(SETTINGS)
        made.append(GatewayProcess(folder, STUB))
    yield made
    for gateway in made:
        gateway.close()


@pytest.fixture
def nginx(tmp_path, gateways):
    port = free_port()
    addresses = [gateway.address().removeprefix("http://") for gateway in gateways]
    path = configuration(tmp_path, port, addresses)
    process = subprocess.Popen([NGINX, "-p", str(tmp_path), "-c", str(path), "-g", "daemon off;"])
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except ConnectionRefusedError:
            time.sleep(0.02)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(10)


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
    response = fetch(f"{nginx}/slow?tenths=8")
    began = time.monotonic()
    assert response.read1(1) == b"."
    assert time.monotonic() - began < 0.5
    rest = response.read()
    assert rest == b"." * 7 + b"end"
    assert time.monotonic() - began > 0.5


def test_a_caller_that_leaves_is_noticed_behind_nginx(nginx, tmp_path):
    response = fetch(f"{nginx}/slow?tenths=100")
    response.read1(1)
    response.close()
    end = time.monotonic() + 5
    while not list(tmp_path.glob("*/cancelled")) and time.monotonic() < end:
        time.sleep(0.05)
    assert list(tmp_path.glob("*/cancelled"))


def test_both_gateways_are_used_and_one_that_stops_is_passed_over(nginx, gateways):
    pids = {fetch(f"{nginx}/about").read() for _ in range(6)}
    assert len(pids) == 2
    assert gateways[0].stop() == 0
    assert [fetch(f"{nginx}/about").status for _ in range(4)] == [200] * 4


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
