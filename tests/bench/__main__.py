"""`python -m tests.bench [start] [posts] [stored] [copy]`: how long things take, as ratios within one run.

The seconds are this machine's; only the last column, each row against the plainest thing that does the same, says
something about the product.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.bench import cold_start, copying, serving
from tests.bench.row import Row

PARTS: dict[str, Callable[[Path], list[Row]]] = {
    "start": cold_start.measure,
    "posts": lambda folder: asyncio.run(serving.posts(folder)),
    "stored": lambda folder: asyncio.run(serving.stored(folder)),
    "copy": copying.measure,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Timings, as ratios within one run.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of: {' '.join(PARTS)}; all of them if none is named")
    parts = parser.parse_args().parts or list(PARTS)
    if unknown := set(parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    write(" ".join(["python -m tests.bench", *parts]))
    for part in parts:
        with tempfile.TemporaryDirectory() as folder:
            rows = PARTS[part](Path(folder))
        write("")
        for row in rows:
            write(str(row))


def write(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
