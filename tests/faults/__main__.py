"""Play the fault matrix and print what came of each fault.

    python -m tests.faults [--brief] [--without-direct] [--row EXPRESSION] [--jobs 4]

Every fault of `table.py` and its rows is crossed with every way to ask, over real sockets. Each
process takes the next row when it has played one; more of them than there are cores, since many rows
mostly wait. The exit status is 1 if anything was wrong.
"""

import argparse
import multiprocessing
import os
import time

from tests.faults.matrix import ROWS, Tally, played, rows_named
from tests.faults.surroundings import SURROUNDINGS

SHOWN_PROBLEMS = 40
HEAD = (
    "fault",
    "cases",
    "passed",
    "lost bytes",
    "leaked secrets",
    "leaked tasks, sockets",
    "seconds",
)


def table(tallies: list[Tally]) -> str:
    """Return the table, its sum at the end."""
    rows = [
        (t.row, t.cases, t.passed, t.lost_bytes, t.leaked_secrets, t.leaked, round(t.seconds))
        for t in tallies
    ]
    sums = tuple(sum(int(row[i]) for row in rows) for i in range(1, len(HEAD)))
    lines = [HEAD, *rows, (f"all {len(rows)}", *sums)]
    widths = [max(len(str(line[i])) for line in lines) for i in range(len(HEAD))]
    return "\n".join(
        "  ".join(
            [str(first).ljust(widths[0])]
            + [str(cell).rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        )
        for first, *rest in lines
    )


def main() -> None:
    """Play, print, and exit."""
    parser = argparse.ArgumentParser(description="Play the fault matrix.")
    parser.add_argument("--brief", action="store_true", help="one fault of each row and turn")
    parser.add_argument(
        "--without-direct",
        action="store_true",
        help="upstream.direct: false; without the rows whose gateways are processes of their own",
    )
    parser.add_argument("--row", default="", help="only rows whose name this expression finds")
    parser.add_argument("--jobs", type=int, default=4, help="processes that share the rows")
    options = parser.parse_args()
    names, missing = rows_named(options.row)
    if options.without_direct:
        own = {surrounding.name for surrounding in SURROUNDINGS}
        names, missing = [name for name in names if name not in own], {}
    began = time.monotonic()
    jobs = max(1, min(options.jobs, len(names)))
    context = multiprocessing.get_context("fork")  # of what is imported, which takes its time
    with context.Manager() as manager, context.Pool(jobs) as pool:
        left = manager.Queue()
        for name in [*names, *[None] * jobs]:
            left.put(name)
        each = [(left, options.brief, not options.without_direct)] * jobs
        tallies = [one for some in pool.starmap(played, each, chunksize=1) for one in some]
    order = {row.name: index for index, row in enumerate(ROWS)}
    tallies.sort(key=lambda tally: order[tally.row])
    for tally in tallies:
        for problem in tally.problems[:SHOWN_PROBLEMS]:
            print(f"WRONG {tally.row}: {problem}")
    for name, what in missing.items():
        print(f"NOT PLAYED {name}: {what} is not installed")
    print(table(tallies))
    print(f"{time.monotonic() - began:.0f} seconds in {jobs} processes")
    is_incomplete = bool(missing) and os.environ.get("CI") == "true"
    raise SystemExit(is_incomplete or any(not tally.is_clean for tally in tallies))


if __name__ == "__main__":
    main()
