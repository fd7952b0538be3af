"""Wireflow as the storm meets it: the simulator, except for jobs whose prompt contains `[poison:NAME]`.

functions-framework loads this file in place of functions/simulator/main.py.
"""

import functools
import gzip
import json
import os
import re
from collections.abc import Callable, Mapping

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from functions.simulator.api import PAID, STATUS, Endpoint, match
from functions.simulator.app import Simulator
from functions.simulator.run_requests import parse
from functions.simulator.settings import Settings
from functions.simulator.state import Run
from tests.images.bombs import bomb
from tests.images.sample_images import png_of_size

MIB = 1024 * 1024
NAME = re.compile(r"\[poison:(\w+)\]")
NOT_IDNA = "https://xn--zz--.example/cat.png"
LONG_URLS, LONG_URL = 400, 2_000  # of a result, and characters of each

SHORT = {"insufficientCredits": True, "requiredCredits": 240, "availableCredits": 130}


def poison_in(prompt: str) -> str:
    """Return the name of the poison in a prompt; empty for an honest one."""
    found = NAME.search(prompt)
    return found[1] if found else ""


# What a paid call gets, by poison. The prompt is quoted, as a firewall or a provider may do.
REPLIES: Mapping[str, Callable[[str], Response]] = {
    "firewall": lambda prompt: JSONResponse({"error": f"Request blocked: {prompt}"}, 403),
    "expensive": lambda _: JSONResponse({"error": "Insufficient credits. Required: 240, Available: 130", **SHORT}, 402),
    "quoted": lambda prompt: JSONResponse({"error": f"Invalid prompt: {prompt} The workflow is not active"}, 400),
}

# The URLs that an ended run reports, by poison.
RESULTS: Mapping[str, Callable[[str], list[str]]] = {
    "bad_url": lambda _: [NOT_IDNA],
    "large_record": lambda cdn: [f"{cdn}/cdn/none/{n}.png?".ljust(LONG_URL, "x") for n in range(LONG_URLS)],
}


# What the CDN serves for an image of a run, by poison. Made at import: Wireflow itself must not be slow.
COMPRESSED = gzip.compress(gzip.compress(png_of_size(100) + bytes(100 * MIB), compresslevel=1))
FILES: Mapping[str, Response] = {
    "bad_redirect": RedirectResponse(NOT_IDNA, 302),
    "compressed": Response(COMPRESSED, 200, {"content-encoding": "gzip, gzip"}, "image/png"),
    "avif_boxes": Response(b"".join(bomb("avif boxes", 8 * MIB)), 200, None, "image/avif"),
    "gif_blocks": Response(b"".join(bomb("gif blocks", 8 * MIB)), 200, None, "image/gif"),
    "jpeg_markers": Response(b"".join(bomb("jpeg markers", 8 * MIB)), 200, None, "image/jpeg"),
}


class PoisonedSimulator(Simulator):
    """The simulator with these responses. `GET /_stats` counts them among the faults."""

    async def handle(self, request: Request) -> Response:
        """Return the response to a request to Wireflow or to a control route."""
        found = match(request.method, request.url.path)
        if found is None:
            return await super().handle(request)
        if found.endpoint in PAID:
            prompt = parse(found.endpoint, json.loads(await request.body())).prompt
            name, response = poison_in(prompt), self._reply(prompt)
        else:
            run = self.state.runs.find(found.resource_id)
            name, response = poison_in(run.prompt if run else ""), self._result(found.endpoint, run, request)
        if response is None:
            return await super().handle(request)
        self.state.stats.faults[name] += 1
        return response

    def _reply(self, prompt: str) -> Response | None:
        name = poison_in(prompt)
        if name == "taken_id":
            return JSONResponse({"executionId": self.state.runs.all()[0].execution_id, "status": "queued"}, 202)
        return REPLIES[name](prompt) if name in REPLIES else None

    def _result(self, endpoint: Endpoint, run: Run | None, request: Request) -> Response | None:
        if run is None or not run.has_ended(self.state.clock.now()):
            return None
        name = poison_in(run.prompt)
        if endpoint in STATUS and name in RESULTS:
            images = [{"url": url} for url in RESULTS[name](str(request.base_url).rstrip("/"))]
            node = {"nodeId": "gen-1", "status": "COMPLETED", "output": {"images": images}}
            return JSONResponse({"status": "COMPLETED", "nodeResults": {"nodeRuns": [node]}})
        return FILES.get(name) if endpoint is Endpoint.CDN else None


@functools.cache
def _simulator() -> Simulator:
    return PoisonedSimulator(Settings.of(os.environ))


@functions_framework.aio.http
async def simulator(request: Request) -> Response:
    """Respond as Wireflow would, or worse."""
    return await _simulator().handle(request)
