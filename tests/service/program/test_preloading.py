"""What is loaded when; each case in a process of its own, which has loaded nothing before."""

import subprocess
import sys

import pytest

from tests.service.program.gateway_process import ROOT

OPTIONAL = ("gunicorn", "jsonschema", "obstore", "PIL", "redis", "re2", "opentelemetry")
PROGRAM = f"""
import sys
from service.program import assembly, launch
from service.program.preloading import preload
from service.settings.config import Config
preload(Config.model_validate({{"server": {{"workers": int(sys.argv[1])}}, "storage": {{
    "state": sys.argv[2], "blobs": sys.argv[3]}}}}))
print(*(name for name in {OPTIONAL!r} if name in sys.modules))
"""


@pytest.mark.whole
@pytest.mark.parametrize(
    ("workers", "state", "blobs", "loaded"),
    [
        (1, "sqlite:data/state.db", "file:data", set()),
        (1, "redis://127.0.0.1:9/0", "file:data", {"redis", "opentelemetry"}),
        (1, "sqlite:data/state.db", "s3://bucket/x", {"obstore"}),
        (2, "sqlite:data/state.db", "file:data", {"jsonschema", "re2"}),
    ],
)
def test_what_the_settings_do_not_need_is_not_loaded(workers, state, blobs, loaded) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(workers), state, blobs],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(done.stdout.split()) == loaded
