"""How fast an image goes from a download into a folder, checked on its way."""

import hashlib
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx

from shared.images.directory import DirectoryImages
from shared.images.download import Downloader
from tests.bench.row import Row

SIZE = 64 * 1024 * 1024
PIECE = 64 * 1024  # as a socket hands it over
RUNS = 3


def measure(folder: Path) -> list[Row]:
    """MB a second, the best of a few runs: fetched, its end seen, hashed twice, written and synced; and only hashed."""
    image = _png()
    plain = max(_speed(lambda: _hash_and_write(image, folder / "plain")) for _ in range(RUNS))
    images = DirectoryImages(folder)
    names = iter(f"jobs/job/1/{number}.png" for number in range(RUNS))
    copied = max(_speed(lambda: _copy(image, images, next(names))) for _ in range(RUNS))
    return [
        Row("64 MiB: sha256 and a write", plain, "MB/s"),
        Row("64 MiB: copied as the product does", copied, "MB/s", plain),
    ]


def _copy(image: bytes, images: DirectoryImages, name: str) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=_pieces(image)))
    with httpx.Client(transport=transport) as client:
        downloads = Downloader(client, base_url="https://wireflow.test/api/v1", max_bytes=2 * SIZE)
        with downloads.open("https://cdn.test/0.png") as found:
            images.write(name, found)


def _hash_and_write(image: bytes, path: Path) -> None:
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for piece in _pieces(image):
            digest.update(piece)
            file.write(piece)


def _speed(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return SIZE / 1e6 / (time.perf_counter() - began)


def _pieces(image: bytes) -> Iterator[bytes]:
    for start in range(0, len(image), PIECE):
        yield image[start : start + PIECE]


def _png() -> bytes:
    """A file with a PNG's chunks, https://www.w3.org/TR/png-3/; its pixels are never decoded."""
    header = struct.pack(">IIBBBBB", 4096, 4096, 8, 2, 0, 0, 0)
    parts = (b"IHDR", header), (b"IDAT", bytes(SIZE)), (b"IEND", b"")
    chunks = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
