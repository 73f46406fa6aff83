"""Target: settings, as a file in YAML or JSON and environment variables after `---env---`."""

import os
import tempfile
from contextlib import chdir
from functools import cache
from pathlib import Path

import yaml

from service.program.commands.cli import effective
from service.settings.config import LoadedConfig, load_config
from service.settings.problems import ConfigError

MAX_BYTES = 2048
MAX_PROBLEM_CHARS = 4096
BORDER = b"\n---env---\n"
ROOT = Path(__file__).parents[2]
TOKENS = (
    *(b"server:\n  ", b"upstream:\n  ", b"tokens:\n  ", b"models:\n  ", b"port: ", b"base_url: "),
    *(b"api_prefixes: ", b"headers: ", b"proxy: ", b"state: ", b"redis://", b"sqlite:", b"blobs: "),
    *(b"s3://", b"file:", b"http://", b"https://", b"daily_refresh_at: ", b"aliases: [", b"slug: "),
    *(
        b"log_level: ",
        b"gpt_4_s_new_name: ",
        b"redis:\n  ",
        b"refresh_ToAccess:\n  ",
        b"&a ",
        b"*a",
    ),
    *(
        b"<<: *a",
        b"? ",
        b"!!",
        b"!!python/object:",
        b"{",
        b"}",
        b"[",
        b"]",
        b'"',
        b"'",
        b"|\n",
        b"~",
    ),
    *(b"null", b"true", b"0x1f", b"1e999", b"12:30", b"\t", b"\x00", b"\xff", b"# ", BORDER),
    *(b"GATEWAY_SERVER__PORT=", b"SERVER_PORT=", b"UPSTREAM_BASE_URL=", b"LOG_LEVEL="),
)


def check(data: bytes) -> None:
    """Check that settings can be shown and read again, or that each problem is described."""
    text, _, variables = data.partition(BORDER)
    path = _directory() / ("config.json" if text.lstrip().startswith(b"{") else "config.yaml")
    path.write_bytes(text)
    with chdir(_directory()):
        first, second = _loaded(path, variables), _loaded(path, variables)
    assert first == second, "read again, other settings"


def _loaded(path: Path, variables: bytes) -> LoadedConfig | tuple[str, ...]:
    lines = variables.decode("utf-8", "replace").replace("\0", "").split("\n")
    environ = dict(line.split("=", 1) for line in lines if "=" in line)
    try:
        loaded = load_config(path, environ)
    except ConfigError as error:
        return _checked(error.problems)
    assert isinstance(yaml.safe_load(effective(loaded)), dict), "settings that cannot be shown"
    return loaded


def _checked(problems: tuple[str, ...]) -> tuple[str, ...]:
    assert problems, "an error without a reason"
    for problem in problems:
        assert problem.strip(), "an empty line"
        assert len(problem) <= MAX_PROBLEM_CHARS, f"{len(problem)} characters"
    return problems


@cache
def _directory() -> Path:
    memory = Path("/dev/shm")  # noqa: S108 - a folder with a random name is made there
    return Path(
        tempfile.mkdtemp(prefix="fuzz-", dir=memory if os.access(memory, os.W_OK) else None)
    )


def seeds() -> dict[str, bytes]:
    """Return the sections of the shipped settings one by one, and files of the seed."""
    shipped = yaml.safe_load((ROOT / "config.yaml").read_text("utf-8"))
    found = {
        name: yaml.safe_dump({name: value}, allow_unicode=True).encode()
        for name, value in shipped.items()
        if value is not None
    }
    found["seed"] = (
        b'{"log_level": "INFO", "process_workers": 2, "upstream_base_url": "https://e.org",'
        b' "upstream_api_prefix": ["a"], "gpt_4_mobile_new_name": "gpt-4-mobile,dall-e-3",'
        b' "refresh_ToAccess": {"enableOai": "true"}, "redis": {"host": "redis", "port": 6379}}'
    )
    found["models"] = b"models:\n  mine: {slug: gpt-4o, aliases: [a, b]}\n  other: o1\n"
    found["environment"] = b"server:\n  port: 1" + BORDER + b"SERVER__PORT=2\nLOG__LEVEL=DEBUG"
    found["anchors"] = b"a: &a {x: 1}\nserver: {<<: *a, port: 33333}\n"
    return found
