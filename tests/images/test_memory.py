"""The memory of a copy does not depend on the size of the image."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.images.bombs import BOMBS, bomb
from tests.images.sample_images import png_of_size
from tests.images.site import Site, response

MIB = 1024 * 1024
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(params=["directory", "cloud_storage"])
def place(request, tmp_path):
    return str(tmp_path) if request.param == "directory" else f"gs://{request.getfixturevalue('bucket')}"


def measured(place: str, *large: bytes) -> dict:
    """Copy a small image, then the `large` response, in a process of its own; return what `copy_once` prints."""
    with Site() as site:
        small = site.put("/small", response(200, png_of_size(100_000)))
        command = [sys.executable, "-m", "tests.images.copy_once", place, small, site.put("/large", *large)]
        done = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, timeout=60)
    return json.loads(done.stdout)


def test_an_image_of_25_mb_adds_less_than_16_mb_to_the_process(place, record_property):
    copied = measured(place, response(200, png_of_size(25_000_000)))
    record_property("measured", copied)
    assert copied["bytes"] == 25_000_000
    assert copied["grown"] < 16 * MIB


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_of_25_mib_adds_less_than_16_mib_to_the_process(tmp_path, name):
    copied = measured(str(tmp_path), response(200, length=25 * MIB), *bomb(name, 25 * MIB))
    assert copied["error"] == "ImageRefused"
    assert copied["grown"] < 16 * MIB


@pytest.mark.parametrize("layers", [1, 2, 4])
def test_a_compressed_bomb_adds_less_than_16_mib_to_the_process(tmp_path, layers):
    body = gzip.compress(png_of_size(100) + bytes(200 * MIB), compresslevel=1)
    for _ in range(layers - 1):
        body = gzip.compress(body)
    copied = measured(str(tmp_path), response(200, body, Content_Encoding=", ".join(["gzip"] * layers)))
    assert copied["error"] == "ImageRefused"
    assert copied["grown"] < 16 * MIB
