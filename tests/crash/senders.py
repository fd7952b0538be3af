"""Callers that send every kind of request in turn: prompts, files, images of earlier jobs, batches, workflows."""

import hashlib
import io
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
from PIL import Image

from tests.processes import spend_watch
from tests.processes.product import WEBHOOK_ID

TOKEN = "token-of-these-callers"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
SMALL = {"aspect_ratio": "16:1"}
PROMPTS = 3  # in a batch
KINDS = 7  # of requests
SIDE = 96  # pixels of an input image; it is noise, so that no two are equal
# A batch needs a token. The models draw their smallest images; the ids are the simulator's own.
PRICE = spend_watch.PRICE / 1e6  # dollars of one image
SETTINGS = {
    **spend_watch.SETTINGS,
    "TRIGGER_TOKENS": json.dumps({spend_watch.CALLER: hashlib.sha256(TOKEN.encode()).hexdigest()}),
    "WIREFLOW_WORKFLOWS": json.dumps(
        {
            "default": {"mode": "webhook", "id": WEBHOOK_ID, "pricePerImage": PRICE},
            "pro": {
                "mode": "execute",
                "id": "demo-execute",
                "model": "nano_banana_pro",
                "resolution": "1K",
                "aspectRatio": "21:9",
                "pricePerImage": PRICE,
            },
            "saved": {"mode": "run", "id": "demo-saved", "pricePerImage": PRICE},
        }
    ),
}


@dataclass(frozen=True)
class Post:
    """A `POST /` and its expected jobs: one per prompt, made from the image with this sha256, if any."""

    prompts: tuple[str, ...]
    request: Mapping[str, Any]  # for httpx
    key: str | None
    image: str | None = None
    has_file: bool = False
    waits: bool = False  # sends Prefer: wait

    async def send(self, http: httpx.AsyncClient) -> httpx.Response:
        """Send it once."""
        headers = {"Idempotency-Key": self.key} if self.key else {}
        headers |= {"Prefer": "wait=2"} if self.waits else {}
        return await http.post("/", headers=headers, **self.request)


@dataclass
class Sender:
    """A caller. `always_keyed`: every request has an idempotency key."""

    name: str
    chance: random.Random
    always_keyed: bool = False
    earlier: list[str] = field(default_factory=list)  # ids of its jobs, newest last
    sent: int = 0

    async def next(self, http: httpx.AsyncClient) -> Post:
        """Return the next request."""
        number, self.sent = self.sent, self.sent + 1
        return replace(await self._request(number, http), waits=number % 4 == 3)

    async def _request(self, number: int, http: httpx.AsyncClient) -> Post:
        prompt, key = f"{self.name}, request {number}", f"{self.name.replace(' ', '-')}-{number}"
        maybe = key if self.always_keyed or number % 3 else None
        match number % KINDS:
            case 0 | 3:
                return self._file(prompt, maybe)
            case 1:
                return Post((prompt,), {"json": {"prompt": prompt, **SMALL}}, maybe)
            case 2:
                return _batch(prompt, key)
            case 4:
                return self._file(prompt, key, workflow="saved")
            case 5:
                return Post((prompt,), {"json": {"prompt": prompt, "workflow": "pro"}}, key)
            case _:
                return await self._from_earlier(prompt, key, http)

    def _file(self, prompt: str, key: str | None, **fields: str) -> Post:
        content = image(self.chance)
        fields = {"prompt": prompt, **(fields or SMALL)}
        request = {"data": fields, "files": {"image1": ("image.png", content, "image/png")}}
        return Post((prompt,), request, key, hashlib.sha256(content).hexdigest(), has_file=True)

    async def _from_earlier(self, prompt: str, key: str, http: httpx.AsyncClient) -> Post:
        """Start from the image of the newest succeeded job; without an image if there is none."""
        for job_id in reversed(self.earlier):
            try:
                job = (await http.get(f"/jobs/{job_id}")).json()
            except httpx.TransportError:
                break
            if job.get("status") == "succeeded":
                request = {"json": {"prompt": prompt, "fromJob": job_id, "workflow": "pro"}}
                return Post((prompt,), request, key, job["images"][0]["sha256"])
        return Post((prompt,), {"json": {"prompt": prompt, "workflow": "saved"}}, key)


def ids_of(response: httpx.Response) -> list[str]:
    """Return the ids of the jobs in a response, in the order of the prompts."""
    body = response.json()
    return [job["id"] for job in body.get("jobs", [body])]


def image(chance: random.Random) -> bytes:
    """Return a PNG unlike any other."""
    file = io.BytesIO()
    Image.frombytes("RGB", (SIDE, SIDE), chance.randbytes(3 * SIDE * SIDE)).save(file, "PNG")
    return file.getvalue()


def _batch(prompt: str, key: str) -> Post:
    prompts = tuple(f"{prompt}, number {number}" for number in range(PROMPTS))
    return Post(prompts, {"json": {"prompts": [*prompts], **SMALL}}, key)
