"""Known vulnerabilities in the pinned packages: `make audit`.

    python -m supply.audit PIP_AUDIT REQUIREMENTS…

pip-audit asks PyPI about each package, and succeeds even when PyPI gives no answer. Here that is a
failure. Exit status: 0 if all packages were looked up and none is known to be vulnerable, 1 if some
are, 3 if some could not be looked up.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, TextIO

VULNERABLE = 1
NOT_KNOWN = 3
_SECONDS = 15  # for each answer of the service
_SHOWN = 5  # packages that could not be looked up, by name


def main(arguments: Sequence[str], output: TextIO = sys.stdout) -> int:
    """Audit requirement files and return the exit status.

    Args:
        arguments: the program pip-audit, then files of pinned requirements with hashes.
        output: for the verdict.
    """
    program, *files = arguments
    dependencies: dict[str, dict[str, Any]] = {}
    for file in files:  # one by one: pip-audit rejects a package that is in two files
        try:
            found = _asked(program, file)
        except NotAskedError as error:
            output.write(f"Nothing is known of {file}: {error}\n")
            return NOT_KNOWN
        dependencies |= {f"{one['name']} {one.get('version')}": one for one in found}
    return _verdict(list(dependencies.values()), output)


class NotAskedError(Exception):
    """pip-audit gave no answer."""


def _asked(program: str, file: str) -> list[dict[str, Any]]:
    """Return pip-audit's entries for the packages in a file.

    Raises:
        NotAskedError: it gives none.
    """
    command = [program, "--format", "json", "--progress-spinner", "off", "--timeout", str(_SECONDS)]
    command += ["--disable-pip", "--require-hashes", "--requirement", file]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        dependencies: list[dict[str, Any]] = json.loads(result.stdout)["dependencies"]
    except (json.JSONDecodeError, KeyError, TypeError):
        lines = result.stderr.strip().splitlines() or ["it said nothing"]
        message = f"the vulnerability service was not asked. {lines[-1]}"
        raise NotAskedError(message) from None
    if not dependencies:
        raise NotAskedError("pip-audit found no packages in it.")
    return dependencies


def _verdict(dependencies: Sequence[dict[str, Any]], output: TextIO) -> int:
    skipped = [one for one in dependencies if "skip_reason" in one]
    found = [(one, vulnerability) for one in dependencies for vulnerability in one.get("vulns", [])]
    for package, vulnerability in found:
        names = ", ".join([vulnerability["id"], *vulnerability.get("aliases", [])])
        mended = ", ".join(vulnerability.get("fix_versions", [])) or "no version yet"
        output.write(f"{package['name']} {package['version']}: {names}; mended in {mended}\n")
    looked_up = len(dependencies) - len(skipped)
    output.write(f"{looked_up} of {len(dependencies)} packages were looked up.\n")
    if skipped:
        names = ", ".join(one["name"] for one in skipped[:_SHOWN])
        output.write(
            f"Nothing is known of {len(skipped)}: the vulnerability service of PyPI does not answer "
            f"about {names}{' and others' if len(skipped) > _SHOWN else ''}.\n"
        )
    if found:
        return VULNERABLE
    if skipped or not dependencies:
        return NOT_KNOWN
    output.write("No known vulnerabilities.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
