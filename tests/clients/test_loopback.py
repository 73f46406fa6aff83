"""Nothing but loopback can be reached where clients run, and what they try is counted."""

import subprocess
import sys

import pytest

from tests.clients.loopback import network

TRY = """
import socket
here = socket.create_server(("127.0.0.1", 0))
socket.create_connection(here.getsockname()).close()
for family, address in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
    try:
        socket.socket(family).connect((address, 9))
    except OSError:
        print("refused")
"""


def test_what_is_tried_elsewhere_fails_and_is_counted() -> None:
    with network() as apart:
        if apart.pid is None:
            pytest.skip("networks without a way out are not allowed")
        command = [*apart.entering, sys.executable, "-c", TRY]
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        assert said.stdout.split() == ["refused", "refused"]
        assert apart.strayed == 2
