"""A process of its own: copy a small image, then a large one, and print the memory and time of the large one.

python -m tests.images.copy_once gs://BUCKET|PATH SMALL_URL LARGE_URL → {"bytes", "error", "grown", "seconds"}
"""

import json
import resource
import sys
import time
from pathlib import Path

import httpx

from shared import egress
from shared.copy_errors import CopyError
from shared.images.directory import DirectoryImages
from shared.images.download import Downloader
from shared.images.gcs import BucketImages
from shared.ports import ImageStore


def main(place: str, small: str, large: str) -> None:
    store = store_at(place)
    client = egress.client([httpx.URL(large).netloc.decode()], allow_private=True)
    downloads = Downloader(client, base_url=large, max_bytes=50 * 1024 * 1024)
    copy(downloads, store, small, "jobs/warm/1/0.png")
    before, began = resident(), time.perf_counter()
    size, error = 0, None
    try:
        size = copy(downloads, store, large, "jobs/measured/1/0.png")
    except CopyError as raised:
        error = type(raised).__name__
    seconds = time.perf_counter() - began
    print(json.dumps({"bytes": size, "error": error, "grown": peak() - before, "seconds": seconds}))


def store_at(place: str) -> ImageStore:
    if place.startswith("gs://"):
        return BucketImages(place.removeprefix("gs://"), "", emulator=True)
    return DirectoryImages(Path(place))


def copy(downloads: Downloader, store: ImageStore, url: str, name: str) -> int:
    with downloads.open(url) as image:
        store.write(name, image)
        return image.measured().size


def peak() -> int:
    """Return the peak memory of this process in bytes. On Linux ru_maxrss includes that of the parent."""
    return _of_status("VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def resident() -> int:
    """Return the current memory in bytes, or the peak if it is not known."""
    return _of_status("VmRSS") or peak()


def _of_status(name: str) -> int | None:
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(fields[name].split()[0]) * 1024


if __name__ == "__main__":
    main(*sys.argv[1:])
