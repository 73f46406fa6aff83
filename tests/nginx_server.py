"""A real nginx on loopback with the shipped configuration, in front of gateways of this machine."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

SHIPPED = Path(__file__).resolve().parents[1] / "deploy" / "nginx.conf"
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/sbin")
STARTING_SECONDS = 10


def configuration(folder: Path, listen: int, gateways: Sequence[str]) -> Path:
    """Write the shipped file with this test's ports and a folder that any user may write to.

    Args:
        folder: for the file and all that nginx writes.
        listen: the port of nginx.
        gateways: host and port of each.
    """
    text = SHIPPED.read_text()
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
        return int(listening.getsockname()[1])


@contextmanager
def running_nginx(folder: Path, gateways: Sequence[str]) -> Iterator[str]:
    """Run nginx for the block; the value is its address. Without it the test is skipped."""
    if NGINX is None:
        pytest.skip("nginx is not installed")
    port = free_port()
    path = configuration(folder, port, gateways)
    process = subprocess.Popen([NGINX, "-p", str(folder), "-c", str(path), "-g", "daemon off;"])
    try:
        _wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + STARTING_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            assert time.monotonic() < deadline, "nginx does not listen"
            time.sleep(0.02)
        else:
            return
