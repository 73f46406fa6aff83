"""A real S3 server (moto's) on a free loopback port, for tests of the shared stores."""

import http.client
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import IO

BUCKET = "pictures"
STARTING_SECONDS = 60
_LISTENING = re.compile(rb"Running on (http://127\.0\.0\.1:\d+)")


@contextmanager
def running_s3() -> Iterator[str]:
    """Run a server with an empty bucket for the block; its address is also in the environment."""
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said)
        try:
            with _with_bucket(_address(process, said)) as url:
                yield url
        finally:
            process.kill()
            process.wait()


@contextmanager
def _with_bucket(url: str) -> Iterator[str]:
    """Make the bucket, and name the server in the environment for the block."""
    given = {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "a-key",
        "AWS_SECRET_ACCESS_KEY": "a-secret",
        "AWS_REGION": "us-east-1",
    }
    before = {name: os.environ.get(name) for name in given}
    with closing(http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)) as connection:
        connection.request("PUT", f"/{BUCKET}")
        assert connection.getresponse().status == 200
    os.environ.update(given)
    try:
        yield url
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _address(process: subprocess.Popen[bytes], said: IO[bytes]) -> str:
    """Return the address at which it listens, once it says so: any other port may be taken."""
    deadline = time.monotonic() + STARTING_SECONDS
    while not (found := _LISTENING.search(os.pread(said.fileno(), 100_000, 0))):
        assert process.poll() is None, "the S3 server has ended"
        assert time.monotonic() < deadline, "the S3 server does not answer"
        time.sleep(0.05)
    return found[1].decode()
