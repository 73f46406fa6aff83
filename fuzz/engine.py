"""Runs one target under atheris: `python -m fuzz.engine TARGET [options of libFuzzer] [folders]`.

Only the gateway's own packages are instrumented, not its libraries.
"""

import sys

import atheris

from fuzz import targets

INSTRUMENTED = ("service", "handlers", "upstream")


def main() -> None:
    """Fuzz until the time is up, or until a broken invariant ends the process."""
    name = sys.argv.pop(1)
    with atheris.instrument_imports(include=list(INSTRUMENTED)):
        target = targets.load(name)
    atheris.Setup([f"fuzz.engine {name}", *sys.argv[1:]], target.check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
