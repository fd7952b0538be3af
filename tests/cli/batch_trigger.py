"""A stand-in for a trigger with one batch."""

import csv
import hashlib
import io
from typing import Any

import httpx

IMAGE = b"the bytes of an image"
COLUMNS = ("row", "status", "prompt", "imageUrl", "errorCode", "errorMessage", "jobId")


class Trigger:
    """A trigger with one batch, whose state at each look is the next one of `looks`: a status for each row."""

    def __init__(self, *looks: tuple[str, ...], total: int = 2) -> None:
        self.looks, self.total, self.at = looks, total, -1
        self.down: set[int] = set()  # the looks at which it does not respond
        self.image = IMAGE
        self.public_url = "http://trigger"

    @property
    def statuses(self) -> tuple[str, ...]:
        return self.looks[min(self.at, len(self.looks) - 1)]

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path == "/batches/b":
            self.at += 1
        if self.at in self.down:
            raise httpx.ConnectError("no route to host")
        if path == "/batches/b":
            return httpx.Response(200, json=self.batch())
        if path.endswith("results.csv"):
            return httpx.Response(200, content=self.results())
        if path.startswith("/jobs/") and "/image" not in path:
            return httpx.Response(200, json={"prompt": "a cat", "images": [self.job_image(path)]})
        return httpx.Response(200, content=self.image)

    def batch(self) -> dict[str, Any]:
        counts = {name: self.statuses.count(name) for name in ("queued", "running", "succeeded", "failed", "canceled")}
        counts["succeeded"] += self.statuses.count("erased")
        final = not counts["queued"] + counts["running"]
        return {
            "batchId": "b",
            "statusUrl": f"{self.public_url}/batches/b",
            "status": "done" if final else "open",
            "counts": {"total": self.total, **counts},
            "cost": None,
            "estimatedEndAt": None,
        }

    def results(self) -> bytes:
        file = io.StringIO()
        lines = [
            (row, status, "a cat", "", "", "", f"job{row}")
            for row, status in enumerate(self.statuses, 2)
            if status != "erased"
        ]
        csv.writer(file).writerows([COLUMNS, *lines])
        return file.getvalue().encode("utf-8-sig")

    def job_image(self, path: str) -> dict[str, Any]:
        sha256 = hashlib.sha256(IMAGE).hexdigest()
        return {"index": 0, "url": f"{self.public_url}{path}/image/0", "contentType": "image/png", "sha256": sha256}
