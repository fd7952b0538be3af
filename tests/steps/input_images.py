"""An input image, its site, and workflows that take one, for tests of input images."""

import json
from pathlib import Path

import httpx

from tests.harness.world import World
from tests.images.sample_images import encoded

CAT = encoded("png", 40, 30)
URL = "https://photos.test/cat.png"
WORKFLOWS = json.dumps(
    {
        "pro": {"mode": "execute", "id": "demo-execute", "model": "nano_banana_pro", "overridable": ["aspect_ratio"]},
        "saved": {"mode": "run", "id": "demo-saved"},
    }
)


def serve(world: World, *responses: httpx.Response) -> list[httpx.Request]:
    """Let photos.test send these responses in turn, and the last one from then on. Return the requests that it gets."""
    requests: list[httpx.Request] = []

    def site(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return responses[min(len(requests), len(responses)) - 1]

    world.vendor.sites["photos.test"] = site
    return requests


def stored_inputs(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "images" / "inputs").glob("[!.]*"))
