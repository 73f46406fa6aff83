"""`python -m fuzz`: fuzz all targets or some, one after the other, for some minutes in all."""

import argparse
import sys
import tempfile
from pathlib import Path

from fuzz import corpus, targets
from fuzz.runs import Run, Runner, table

WORK = Path(".fuzz")
RUNS = WORK / "runs.jsonl"


def main() -> int:
    """Fuzz; return 1 if an invariant was broken."""
    options = _parser().parse_args()
    if options.table:
        sys.stdout.write(table(Run.read(RUNS)))
        return 0
    names = options.target or targets.NAMES
    seconds = options.minutes * 60 / len(names)
    found = 0
    for number, name in enumerate(names, 1):
        with tempfile.TemporaryDirectory(prefix=f"fuzz-{name}-") as folder:
            runner = Runner(name, Path(folder), WORK, f"{number}/{len(names)} {name}")
            run = runner.run(seconds)
        found += run.found
        run.append(RUNS)
        if options.keep:
            corpus.keep(name, WORK / "corpus" / name)
    if found:
        sys.stdout.write(f"{found} inputs break an invariant; they are in {WORK / 'found'}\n")
    return 1 if found else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("target", nargs="*", choices=[[], *targets.NAMES], help="default: all")
    parser.add_argument("--minutes", type=float, default=5.0, help="in all; default: 5")
    parser.add_argument("--keep", action="store_true", help="put new inputs into fuzz/corpus")
    parser.add_argument("--table", action="store_true", help="print the figures of all runs here")
    return parser


if __name__ == "__main__":
    sys.exit(main())
