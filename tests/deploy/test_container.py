"""Dockerfile and docker-compose.yml: no engine is here, so their text is checked."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from service.settings.config import SETTINGS, load_config

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def dockerfile():
    return (ROOT / "Dockerfile").read_text()


@pytest.fixture
def compose():
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def test_everything_that_is_copied_exists(dockerfile):
    for line in re.findall(r"^COPY (?!--from)(.+)$", dockerfile, re.MULTILINE):
        *sources, _target = line.split()
        for source in sources:
            assert (ROOT / source).exists()


def test_everything_that_is_copied_is_sent_to_the_engine(dockerfile):
    sent = re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    for line in re.findall(r"^COPY (?!--from)(.+)$", dockerfile, re.MULTILINE):
        assert set(line.split()[:-1]) <= set(sent)


def test_it_does_not_run_as_root(dockerfile):
    last_stage = dockerfile.rpartition("\nFROM ")[2]
    assert re.search(r"^USER gateway$", last_stage, re.MULTILINE)
    assert last_stage.index("USER gateway") < last_stage.index("ENTRYPOINT")


def test_it_has_volumes_and_a_health_check(dockerfile):
    assert 'VOLUME ["/app/data", "/app/log"]' in dockerfile
    assert "/healthz" in dockerfile
    assert f"EXPOSE {load_config(ROOT / 'config.yaml', {}).config.server.port}" in dockerfile


def test_the_health_check_is_python_that_compiles(dockerfile):
    code = re.search(r'CMD \["python", "-c", "(.+)"\]', dockerfile)
    assert code
    compile(code[1], "health check", "exec")


def test_compose_has_the_gateway_redis_and_nginx(compose):
    assert set(compose["services"]) == {"gateway", "redis", "nginx"}
    assert compose["services"]["gateway"]["read_only"] is True
    assert set(compose["volumes"]) == {"data", "log", "redis"}


def test_the_variables_of_compose_are_settings(compose):
    variables = compose["services"]["gateway"]["environment"]
    names = {"GATEWAY_" + name.replace(".", "__").upper() for name in SETTINGS}
    assert set(variables) <= names
    given = {name: re.sub(r"\$\{\w+:-(.*)\}", r"\1", value) for name, value in variables.items()}
    config = load_config(ROOT / "config.yaml", given).config
    assert config.storage.state == "redis://redis:6379/0"


def test_compose_is_valid_by_its_specification():
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    checked = subprocess.run(
        [*command, ROOT / "docker-compose.yml"], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout


def test_compose_gives_draining_its_time(compose):
    period = compose["services"]["gateway"]["stop_grace_period"]
    drain = load_config(ROOT / "config.yaml", {}).config.server.drain_seconds
    assert int(period.removesuffix("s")) > drain


def test_the_nginx_of_compose_reads_the_shipped_file(compose):
    mounted = [volume.split(":")[0] for volume in compose["services"]["nginx"]["volumes"]]
    assert all((ROOT / source).is_file() for source in mounted)
