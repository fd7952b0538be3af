"""The input images in an image store, read directly: the product never lists them."""

from pathlib import Path
from urllib.parse import urlsplit

import httpx

from tests.processes.product import Places

PARTIAL = "."  # prefix of a file that is still being written, see shared/images/directory.py


def inputs_in(places: Places) -> list[str]:
    """Return the names of all files or objects under `inputs/`, without that folder."""
    if places.bucket:
        return _objects(places.environ["STORAGE_EMULATOR_HOST"], places.bucket)
    return sorted(path.name for path in Path(urlsplit(places.images_url).path, "inputs").glob("*"))


def job_of(name: str) -> str:
    """Return the id of the job that the image belongs to; empty for a partial file."""
    return name.partition(".")[0]


def _objects(server: str, bucket: str) -> list[str]:
    folder = "images/inputs/"
    answer = httpx.get(f"{server}/storage/v1/b/{bucket}/o", params={"prefix": folder}).raise_for_status()
    return [item["name"].removeprefix(folder) for item in answer.json().get("items", [])]
