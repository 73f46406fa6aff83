"""The libraries that the console brings along: `python -m tests.handlers.console.vendored` asks npm.

It prints each file that differs from what its package has, and says so by its exit status.
"""

import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

VENDOR = Path(__file__).parents[3] / "handlers/console/static/vendor"


def listed() -> dict[str, dict[str, Any]]:
    """Return the source of each copied file."""
    return json.loads((VENDOR / "vendor.json").read_text("utf-8"))


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def differing() -> Iterator[str]:
    """Yield the names of files that differ from npm's packages."""
    for name, entry in listed().items():
        with tempfile.TemporaryDirectory() as folder:
            command = ["npm", "pack", "--silent", f"{entry['package']}@{entry['version']}"]
            packed = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
            with tarfile.open(Path(folder) / packed.stdout.split()[-1]) as archive:
                member = archive.extractfile(f"package/{entry['path']}")
                assert member is not None
                content = member.read()
        if content != (VENDOR / name).read_bytes():
            yield name


if __name__ == "__main__":
    found = list(differing())
    sys.stdout.writelines(f"{name} differs\n" for name in found)
    sys.exit(bool(found))
