"""The demo upstream as a child process."""

import json
import os
import time
from pathlib import Path

import msgspec
import pytest

from service.program import demo_child
from service.program.demo_child import (
    DEMO_FILE,
    DemoError,
    RunningDemo,
    demo_upstream,
    pointed_at,
    told,
    told_demo,
)
from service.settings.config import Config, TokensConfig, UpstreamConfig
from tests.service.program.gateway_process import GatewayProcess, fetch

STUB = str(Path(__file__).with_name("stub_gateway.py"))

LISTEN = "server: {host: 127.0.0.1, port: 0}\n"


@pytest.fixture
def start(tmp_path):
    made = []

    def _start(settings: str) -> GatewayProcess:
        (tmp_path / "config.yaml").write_text(settings)
        made.append(GatewayProcess(tmp_path, STUB))
        return made[-1]

    yield _start
    for process in made:
        process.close()


@pytest.mark.whole
def test_the_demo_takes_the_place_of_every_service_that_gets_a_token(start):
    more = "upstream: {proxy: 'http://127.0.0.1:9'}\ntokens: {provider: openai}"
    gateway = start(LISTEN + more)
    about = json.loads(gateway.get("/about"))
    demo = about["base_url"]
    assert demo.startswith("http://127.0.0.1:")
    assert about["oaifree_url"] == f"{demo}/api/auth/refresh"
    assert about["openai_url"] == f"{demo}/oauth/token"
    assert about["proxy"] == ""
    assert fetch(demo).status < 500
    assert f"curl -N {gateway.address()}/v1/chat/completions" in gateway.output
    assert gateway.stop() == 0
    with pytest.raises(OSError, match="refused"):
        fetch(demo)


@pytest.mark.whole
def test_the_demo_ends_when_the_gateway_is_killed(start):
    gateway = start(LISTEN)
    demo = json.loads(gateway.get("/about"))["base_url"]
    gateway.close()
    end = time.monotonic() + 5
    while time.monotonic() < end:
        try:
            fetch(demo).close()
        except OSError:
            return
        time.sleep(0.05)
    pytest.fail("the demo is still there")


@pytest.mark.whole
def test_the_demo_ends_with_its_context():
    with demo_upstream() as address:
        assert fetch(address).status < 500
    with pytest.raises(OSError, match="refused"):
        fetch(address)


def test_a_demo_that_does_not_start_is_an_error(monkeypatch, capfd):
    monkeypatch.setattr(demo_child, "_COMMAND", (demo_child.sys.executable, "-c", "1/0"))
    with pytest.raises(DemoError, match="did not start"), demo_upstream():
        pass
    assert "ZeroDivisionError" in capfd.readouterr().err


def test_no_address_of_a_real_service_is_left():
    config = Config(
        upstream=UpstreamConfig(proxy="http://p:1", retries=7),
        tokens=TokensConfig(provider="openai"),
    )
    changed = pointed_at(config, "http://127.0.0.1:9")
    assert changed.upstream == UpstreamConfig(base_url="http://127.0.0.1:9", retries=7)
    assert changed.tokens.oaifree_url == "http://127.0.0.1:9/api/auth/refresh"
    assert changed.tokens.openai_url == "http://127.0.0.1:9/oauth/token"
    assert changed.tokens.provider == "openai"
    assert changed.storage == config.storage


def test_where_the_demo_is_is_told_to_its_owner_alone_and_only_while_it_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first, second, dead = (
        RunningDemo(f"http://127.0.0.1:{port}", "http://g/v1", process)
        for port, process in ((1, os.getpid()), (2, os.getpid()), (3, 2**22 + 1))
    )
    assert told_demo() is None
    with told(first):
        assert told_demo() == first
        assert DEMO_FILE.stat().st_mode & 0o777 == 0o600
        with told(second):
            assert told_demo() == second
        assert told_demo() == first  # which goes on
    assert not DEMO_FILE.exists()
    with told(first):
        DEMO_FILE.write_bytes(msgspec.json.encode(second))
    assert told_demo() == second  # another gateway's
    DEMO_FILE.write_bytes(msgspec.json.encode(dead))
    assert told_demo() is None  # of one that was killed
    with told(first):
        pass
    assert list(DEMO_FILE.parent.iterdir()) == []


def test_where_it_cannot_be_told_the_gateway_runs_all_the_same(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").touch()
    with told(RunningDemo("http://127.0.0.1:1", "http://g/v1", os.getpid())):
        assert told_demo() is None
    assert "cannot be written" in caplog.text
