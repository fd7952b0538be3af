"""The files in an image store, read directly: the product never lists input images."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.processes.product import Places

PARTIAL = "."  # prefix of a file that is still being written, see shared/images/directory.py


def inputs_in(places: Places) -> list[str]:
    """Return the names of all files or objects under `inputs/`, without that folder."""
    return _files_in(places, "inputs")


def images_of(places: Places, job_id: str) -> list[str]:
    """Return the names of all images of a job, without its folder."""
    return _files_in(places, f"jobs/{job_id}")


def is_kept_for_a_retry(job: Mapping[str, Any]) -> bool:
    """Whether the input images of a public job stay for a while after its end: it has ended without an image."""
    return job["status"] in ("failed", "canceled") and not job["imageCount"]


def job_of(name: str) -> str:
    """Return the id of the job that the image belongs to; empty for a partial file."""
    return name.partition(".")[0]


def _files_in(places: Places, name: str) -> list[str]:
    if not places.bucket:
        folder = Path(urlsplit(places.images_url).path, name)
        return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    url, prefix = f"{places.environ['STORAGE_EMULATOR_HOST']}/storage/v1/b/{places.bucket}/o", f"images/{name}/"
    answer = httpx.get(url, params={"prefix": prefix}).raise_for_status()
    return [item["name"].removeprefix(prefix) for item in answer.json().get("items", [])]
