"""The hostile traffic of the storm: jobs that are poison, and large bodies without a credential."""

import asyncio
import functools
import gzip
import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from time import sleep
from typing import Any

import httpx

from tests.crash.senders import SMALL, image
from tests.images.bombs import bomb
from tests.images.sample_images import png_of_size
from tests.images.site import Request, Site, response

MIB = 1024 * 1024
TRICKLE_SECONDS = 120  # a byte a second
ANONYMOUS_AT_ONCE, ANONYMOUS_PAUSE = 2, 0.5  # seconds
BODY = b'{"prompt": "a cat", "x": [' + b"{}," * (4 * MIB // 3 - 100) + b"{}]}"  # just below 4 MiB, expensive to parse
LARGEST = "x" * (480 * 1024)  # beside the prompt; a request may have 512 KiB

HONEST_IMAGE = image(random.Random(1))

Fields = dict[str, Any]


def _trickle(_: Request) -> Iterator[bytes]:
    yield response(200, length=1000, Content_Type="image/png") + png_of_size(1_000)[:200]
    for _ in range(TRICKLE_SECONDS):
        yield b"\0"
        sleep(1)


@functools.cache
def _images() -> Mapping[str, bytes]:
    """The responses by file; made before anything is measured."""
    zeros = gzip.compress(gzip.compress(png_of_size(100) + bytes(100 * MIB), compresslevel=1))
    bombs = {"boxes.avif": "avif boxes", "blocks.gif": "gif blocks", "markers.jpg": "jpeg markers"}
    return {
        "honest.png": response(200, HONEST_IMAGE),
        "zeros.png": response(200, zeros, Content_Encoding="gzip, gzip"),
        **{file: response(200, b"".join(bomb(name, 8 * MIB))) for file, name in bombs.items()},
    }


@contextmanager
def input_images() -> Iterator[str]:
    """Serve the input images of honest and hostile jobs; return the URL of their folder."""
    with Site() as site:
        site.on("/trickle.png", _trickle)
        for file, raw in _images().items():
            site.put(f"/{file}", raw)
        yield site.url


def _prompt(name: str) -> Callable[[str], Fields]:
    return lambda _images: {"prompt": f"a cat [poison:{name}]", **SMALL}


def _image(file: str) -> Callable[[str], Fields]:
    return lambda images: {"prompt": f"a cat like {file}", "image1": f"{images}/{file}", **SMALL}


# The fields of a job by the name of the poison; `images` is the URL of the folder of input images.
POISONS: Mapping[str, Callable[[str], Fields]] = {
    "deleted_workflow": lambda _images: {"prompt": "a cat", "workflow": "deleted"},
    "firewall": _prompt("firewall"),
    "expensive": _prompt("expensive"),
    "quoted": _prompt("quoted"),
    "taken_id": _prompt("taken_id"),
    "bad_url": _prompt("bad_url"),
    "bad_redirect": _prompt("bad_redirect"),
    "trickle": _image("trickle.png"),
    "input_boxes": _image("boxes.avif"),
    "input_blocks": _image("blocks.gif"),
    "input_markers": _image("markers.jpg"),
    "input_zeros": _image("zeros.png"),
    "large_record": lambda _images: {**_prompt("large_record")(""), "x": LARGEST},
    "large": lambda _images: {"prompt": "a large cat", "x": LARGEST, **SMALL},
    "compressed": _prompt("compressed"),
    "avif_boxes": _prompt("avif_boxes"),
    "gif_blocks": _prompt("gif_blocks"),
    "jpeg_markers": _prompt("jpeg_markers"),
}
HARMLESS = {"large"}  # these succeed; the others must not


def poisons(count: int) -> list[str]:
    """Return the names of so many poisons, every other one a trickling input image until there are eight."""
    trickles = itertools.repeat("trickle", min(8, count // 4))
    return list(itertools.islice(itertools.chain(trickles, itertools.cycle(POISONS)), count))


async def send_anonymous_bodies(urls: list[str], statuses: Counter[int]) -> None:
    """Send large bodies without a credential until the task is canceled."""

    async def send(url: str) -> None:
        async with httpx.AsyncClient(timeout=60, trust_env=False) as http:
            while True:
                try:
                    answer = await http.post(url, content=BODY, headers={"Content-Type": "application/json"})
                    statuses[answer.status_code] += 1
                except httpx.TransportError:  # rejected before all of the body was sent
                    statuses[0] += 1
                await asyncio.sleep(ANONYMOUS_PAUSE)

    targets = itertools.islice(itertools.cycle(urls), ANONYMOUS_AT_ONCE)
    await asyncio.gather(*(send(url) for url in targets))
