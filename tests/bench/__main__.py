"""`python -m tests.bench [PART …]`: how long things take. `--help` names the parts.

The seconds are this machine's, except those of `pacing`, which are virtual; only the last column, each row against the
plainest thing that does the same or against a target, says something about the product. Exits with 1 if a target is
missed. `--short` shows that a bench works, not more.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.bench import accept, beside, claims, cold_start, copying, pacing, serving
from tests.bench.row import Row

PARTS: dict[str, Callable[[Path, bool], Iterable[Row | pacing.Line]]] = {
    "start": lambda folder, _: cold_start.measure(folder),
    "posts": lambda folder, _: asyncio.run(serving.posts(folder)),
    "accept": lambda folder, short: accept.measure(folder, accept.SHORT if short else accept.FULL),
    "claims": lambda folder, short: claims.measure(
        folder, claims.SHORT if short else claims.WAITING, targets=not short
    ),
    "stored": lambda folder, _: asyncio.run(serving.stored(folder)),
    "lag": lambda folder, _: asyncio.run(serving.lag(folder)),
    "storm": lambda folder, _: beside.storm(folder),
    "receivers": lambda folder, _: beside.receivers(folder),
    "copy": lambda folder, _: copying.measure(folder),
    "pacing": lambda _, short: pacing.measure(short=short),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Timings, as ratios within one run.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of: {' '.join(PARTS)}; all of them if none is named")
    parser.add_argument("--short", action="store_true", help="only show that `accept`, `claims`, and `pacing` work")
    arguments = parser.parse_args()
    parts = arguments.parts or list(PARTS)
    if unknown := set(parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    write(" ".join(["python -m tests.bench", *parts]))
    missed = False
    for part in parts:
        write("")
        with tempfile.TemporaryDirectory() as folder:
            for row in PARTS[part](Path(folder), arguments.short):
                write(str(row))
                missed |= row.missed
    sys.exit(missed)


def write(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
