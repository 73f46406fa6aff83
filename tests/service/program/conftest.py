"""A demo of Codex's login, once for a module, that answers at once."""

from collections.abc import Iterator

import pytest

from tests.demo_process import running_demo_process


@pytest.fixture(scope="module")
def login_demo() -> Iterator[str]:
    with running_demo_process("--codex-interval", "0.01") as demo:
        yield demo
