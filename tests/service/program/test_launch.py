"""Starting, draining and stopping, as real processes on real sockets."""

import http.client
import json
import signal
import socket
import threading
import time
from pathlib import Path

import pytest

from service.program.demo_child import pointed_at
from service.program.launch import GONE_SECONDS, ListenError, Settings, demo_help, listen
from service.settings.config import Config, ServerConfig, load_config
from tests.service.program.gateway_process import GatewayProcess, fetch

pytestmark = pytest.mark.whole
STUB = str(Path(__file__).with_name("stub_gateway.py"))
SETTINGS = (
    "server: {{host: 127.0.0.1, port: 0, workers: {workers}, threads: 2, drain_seconds: 5}}\n"
)


@pytest.fixture
def start(tmp_path):
    made = []

    def _start(more: str = "upstream: {base_url: 'http://a'}", workers: int = 1, *arguments: str):
        (tmp_path / "config.yaml").write_text(SETTINGS.format(workers=workers) + more)
        made.append(GatewayProcess(tmp_path, STUB, *arguments))
        return made[-1]

    yield _start
    for process in made:
        process.close()


def open_slow(gateway: GatewayProcess, tenths: int) -> tuple[threading.Thread, list[bytes]]:
    """Begin to read a slow answer; return when its head has arrived."""
    answer: list[bytes] = []
    response = fetch(f"{gateway.address()}/slow?tenths={tenths}")
    thread = threading.Thread(target=_read, args=(response, answer))
    thread.start()
    return thread, answer


def _read(response: http.client.HTTPResponse, answer: list[bytes]) -> None:
    try:
        answer.append(response.read())
    except http.client.HTTPException as cut:
        answer.append(repr(cut).encode())


def connect_for(seconds: float, address: str) -> None:
    """Connect again and again."""
    host, port = address.removeprefix("http://").split(":")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        socket.create_connection((host, int(port))).close()
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("workers", "number"), [(1, signal.SIGTERM), (1, signal.SIGHUP), (2, signal.SIGTERM)]
)
def test_it_serves_and_finishes_running_answers_before_it_stops(start, tmp_path, workers, number):
    gateway = start(workers=workers)
    about = json.loads(gateway.get("/about"))
    assert about["loop"] == "uvloop"
    assert about["thread"].startswith("work")
    assert (about["pid"] == gateway.process.pid) is (workers == 1)
    thread, answer = open_slow(gateway, 15)
    address = gateway.address()
    gateway.process.send_signal(number)
    with pytest.raises(OSError, match="refused"):  # while it drains
        connect_for(30, address)
    thread.join(30)
    assert answer == [b"." * 15 + b"end"]
    assert gateway.process.wait(30) == 0
    assert list(tmp_path.glob("drained-*"))


def test_ctrl_c_stops_it_as_well_and_a_second_one_at_once(start):
    gateway = start()
    thread, _ = open_slow(gateway, 400)
    gateway.process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert gateway.process.poll() is None
    began = time.monotonic()
    assert gateway.stop(signal.SIGINT) == 130
    assert time.monotonic() - began < 20
    thread.join(10)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_caller_that_leaves_cancels_its_handler(start, tmp_path, workers):
    gateway = start(workers=workers)
    host, port = gateway.address().removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"GET /slow?tenths=100 HTTP/1.1\r\nHost: x\r\n\r\n")
        connection.recv(100)
    end = time.monotonic() + 30
    while not (tmp_path / "cancelled").exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert (tmp_path / "cancelled").exists()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_port_in_use_is_one_clear_line(tmp_path, workers):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = SETTINGS.format(workers=workers).replace("port: 0", f"port: {port}")
        (tmp_path / "config.yaml").write_text(settings + "upstream: {base_url: 'http://a'}")
        gateway = GatewayProcess(tmp_path, STUB)
        assert gateway.process.wait(30) == 1
    expected = f"cannot listen on 127.0.0.1:{port}: another program listens there\n"
    assert gateway.error == expected


@pytest.mark.parametrize("workers", [1, 2])
def test_an_application_that_fails_to_start_ends_the_process(start, workers):
    gateway = start("upstream: {base_url: 'http://a'}", workers, "broken")
    assert gateway.process.wait(30) != 0
    assert "the start failed" in gateway.error


@pytest.mark.parametrize("workers", [1, 2])
def test_a_secret_that_cannot_be_made_is_one_line(tmp_path, workers):
    settings = SETTINGS.format(workers=workers) + "upstream: {base_url: 'http://a'}"
    (tmp_path / "config.yaml").write_text(settings)
    (tmp_path / "data").write_text("no folder")  # who is root may write everywhere else
    gateway = GatewayProcess(tmp_path, "-m", "service")
    assert gateway.process.wait(30) == 1
    assert gateway.error == (
        "The secret data/secret.key cannot be read or made: File exists. "
        "Make data/ writable, or set tokens.secret.\n"
    )


# --- in this process ---------------------------------------------------------------


def test_every_address_of_the_host_is_listened_on():
    sockets = listen(ServerConfig(host="localhost", port=0))
    try:
        assert {one.getsockname()[0] for one in sockets} & {"127.0.0.1", "::1"}
    finally:
        for one in sockets:
            one.close()


def test_a_caller_that_takes_nothing_is_given_up_in_the_end():
    (listening,) = listen(ServerConfig(host="127.0.0.1", port=0))
    with listening, socket.create_connection(listening.getsockname()), listening.accept()[0] as one:
        milliseconds = one.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
    assert milliseconds == GONE_SECONDS * 1000


def test_a_host_that_is_not_ours_is_one_line():
    with pytest.raises(ListenError, match=r"cannot listen on 192\.0\.2\.1:0: "):
        listen(ServerConfig(host="192.0.2.1", port=0))


@pytest.fixture
def settings_file(tmp_path):
    path = tmp_path / "config.yaml"

    def write(base_url: str) -> Config:
        path.write_text(f"upstream: {{base_url: '{base_url}'}}")
        return load_config(path, {}).config

    return write


def test_settings_that_are_read_again_point_at_the_demo_that_runs(settings_file):
    demo = "http://127.0.0.1:1"
    settings = Settings(pointed_at(settings_file("demo"), demo), demo)
    assert settings.current().upstream.base_url == demo
    assert settings.current().upstream.base_url == demo
    settings_file("https://up.example")
    assert settings.current().upstream.base_url == "https://up.example"
    settings_file("demo")
    again = settings.current()
    assert (again.upstream.base_url, again.upstream.proxy) == (demo, "")
    assert again.tokens.oaifree_url.startswith(demo)


def test_settings_stay_what_they_were_when_there_is_no_demo_to_point_at(settings_file, caplog):
    settings = Settings(settings_file("https://up.example"), "")
    settings.current()
    settings_file("demo")
    assert settings.current().upstream.base_url == "https://up.example"
    assert "the demo needs a start of its own" in caplog.text


def test_the_help_names_three_commands_and_the_console():
    text = demo_help("http://127.0.0.1:33333", "http://127.0.0.1:33333/v1")
    assert text.count("  curl ") == 3
    assert text.count("curl -N ") == 1
    assert "http://127.0.0.1:33333/ in a browser" in text
