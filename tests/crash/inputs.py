"""The input images that an image store holds; a look past the product, which never lists them."""

from pathlib import Path
from urllib.parse import urlsplit

import httpx

from tests.processes.product import Places

HALF = "."  # what a name begins with that a killed process has not given yet: shared/images/directory.py


def inputs_in(places: Places) -> list[str]:
    """The names of all files and objects under `inputs/`, without that folder."""
    if places.bucket:
        return _objects(places.environ["STORAGE_EMULATOR_HOST"], places.bucket)
    return sorted(path.name for path in Path(urlsplit(places.images_url).path, "inputs").glob("*"))


def job_of(name: str) -> str:
    """The id of the job whose image it is; of a half nobody's."""
    return name.partition(".")[0]


def _objects(server: str, bucket: str) -> list[str]:
    folder = "images/inputs/"
    answer = httpx.get(f"{server}/storage/v1/b/{bucket}/o", params={"prefix": folder}).raise_for_status()
    return [item["name"].removeprefix(folder) for item in answer.json().get("items", [])]
