"""What callers send by turns: prompts, images as files or of earlier jobs, arrays, workflows of all modes."""

import hashlib
import io
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
from PIL import Image

TOKEN = "token-of-these-callers"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
SMALL = {"aspect_ratio": "16:1"}
ROWS = 3
SIDE = 96  # pixels of an input image, which is noise: no two are the same
# An array needs a token. The models draw their smallest images; the ids are the simulator's own.
SETTINGS = {
    "TRIGGER_TOKENS": json.dumps({"tests": hashlib.sha256(TOKEN.encode()).hexdigest()}),
    "WIREFLOW_WORKFLOWS": json.dumps(
        {
            "pro": {
                "mode": "execute",
                "id": "demo-execute",
                "model": "nano_banana_pro",
                "resolution": "1K",
                "aspectRatio": "21:9",
            },
            "saved": {"mode": "run", "id": "demo-saved"},
        }
    ),
}


@dataclass(frozen=True)
class Post:
    """A `POST /` and what must come of it: one job for each prompt, from the image with this sha256 if any."""

    prompts: tuple[str, ...]
    request: Mapping[str, Any]  # for httpx
    key: str | None
    image: str | None = None
    has_file: bool = False
    waits: bool = False  # for a job that ends soon

    async def send(self, http: httpx.AsyncClient) -> httpx.Response:
        """Once."""
        headers = {"Idempotency-Key": self.key} if self.key else {}
        headers |= {"Prefer": "wait=2"} if self.waits else {}
        return await http.post("/", headers=headers, **self.request)


@dataclass
class Sender:
    """One caller, who goes through all kinds of requests; `careful`: never without a key."""

    name: str
    chance: random.Random
    careful: bool = False
    earlier: list[str] = field(default_factory=list)  # ids of its jobs, the newest last
    _sent: int = 0

    async def next(self, http: httpx.AsyncClient) -> Post:
        """The next request."""
        turn, self._sent = self._sent, self._sent + 1
        return replace(await self._of(turn, http), waits=turn % 4 == 3)

    async def _of(self, turn: int, http: httpx.AsyncClient) -> Post:
        prompt, key = f"{self.name}, request {turn}", f"{self.name.replace(' ', '-')}-{turn}"
        maybe = key if self.careful or turn % 3 else None
        match turn % 7:
            case 0 | 3:
                return self._file(prompt, maybe)
            case 1:
                return Post((prompt,), {"json": {"prompt": prompt, **SMALL}}, maybe)
            case 2:
                return _array(prompt, key)
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
        """From the image of its newest job that has one; without a image if there is none that it can see."""
        for job_id in reversed(self.earlier):
            try:
                job = (await http.get(f"/jobs/{job_id}")).json()
            except httpx.TransportError:
                break
            if job.get("status") == "succeeded":
                request = {"json": {"prompt": prompt, "fromJob": job_id, "workflow": "pro"}}
                return Post((prompt,), request, key, job["images"][0]["sha256"])
        return Post((prompt,), {"json": {"prompt": prompt, "workflow": "saved"}}, key)


def ids_of(answer: httpx.Response) -> list[str]:
    """Of the jobs that an answer tells of, in the order of its prompts."""
    told = answer.json()
    return [job["id"] for job in told.get("jobs", [told])]


def image(chance: random.Random) -> bytes:
    """A PNG that nobody else has."""
    file = io.BytesIO()
    Image.frombytes("RGB", (SIDE, SIDE), chance.randbytes(3 * SIDE * SIDE)).save(file, "PNG")
    return file.getvalue()


def _array(prompt: str, key: str) -> Post:
    prompts = tuple(f"{prompt}, row {row}" for row in range(ROWS))
    return Post(prompts, {"json": {"prompts": [*prompts], **SMALL}}, key)
