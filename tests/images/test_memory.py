"""The memory of a copy does not depend on the size of the image."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.images.sample_images import png_of_size
from tests.images.site import Site, response

MIB = 1024 * 1024
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(params=["directory", "cloud_storage"])
def place(request, tmp_path):
    return str(tmp_path) if request.param == "directory" else f"gs://{request.getfixturevalue('bucket')}"


def test_an_image_of_25_mb_adds_less_than_16_mb_to_the_process(place, record_property):
    with Site() as site:
        small = site.put("/small", response(200, png_of_size(100_000)))
        large = site.put("/large", response(200, png_of_size(25_000_000)))
        command = [sys.executable, "-m", "tests.images.copy_once", place, small, large]
        done = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, timeout=60)
    measured = json.loads(done.stdout)
    record_property("measured", measured)
    assert measured["bytes"] == 25_000_000
    assert measured["grown"] < 16 * MIB
