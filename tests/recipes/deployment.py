"""The product as readers of the recipes deploy it, with every kind of authentication."""

import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from anyio.from_thread import start_blocking_portal

from shared.job_states import FINAL
from tests.processes.product import PATIENCE, UNLIMITED, Places, Product
from tests.recipes.google import ACCOUNT, AUDIENCE
from tests.servers.process import IDLE_LIMITS

TOKEN, ADMIN_TOKEN = "token-of-these-tests", "admin-token-of-these-tests"
SIGNING_SECRET = "whsec_c2VjcmV0LW9mLXRoZXNlLXRlc3Rz"
SECONDS = 60.0
RUN_SECONDS = "1"


@dataclass(frozen=True)
class Deployment:
    """`trigger` and `simulator`: their URLs, without a slash at the end. `http`: a client."""

    trigger: str
    simulator: str
    http: httpx.Client

    def jobs_of(self, prompt: str) -> list[dict[str, Any]]:
        """Return all jobs with this prompt, of any caller."""
        answer = self.http.get(f"{self.trigger}/jobs?limit=100", headers={"Authorization": f"Bearer {ADMIN_TOKEN}"})
        return [job for job in answer.raise_for_status().json()["jobs"] if job["prompt"] == prompt]

    def runs_of(self, prompt: str) -> list[dict[str, Any]]:
        """The runs that were paid for."""
        answer = self.http.get(f"{self.simulator}/_runs?pictures=true")
        return [run for run in answer.raise_for_status().json()["runs"] if run["prompt"] == prompt]

    def finished(self, prompt: str) -> dict[str, Any]:
        """The one job with this prompt, when it has ended, and been paid for once at most."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            found = self.jobs_of(prompt)
            if found and found[0]["status"] in FINAL:
                break
            time.sleep(0.2)
        (job,) = found
        assert len(self.runs_of(prompt)) <= 1
        return job

    @contextmanager
    def slower_runs(self, seconds: str) -> Iterator[None]:
        """Let runs that are started in the block take this long."""
        settings = f"{self.simulator}/_settings"
        self.http.post(settings, json={"runSeconds": seconds}).raise_for_status()
        try:
            yield
        finally:
            self.http.post(settings, json={"runSeconds": RUN_SECONDS}).raise_for_status()

    def is_image_of(self, prompt: str, content: bytes) -> bool:
        """Whether these are the bytes of the one image that was paid for."""
        (run,) = self.runs_of(prompt)
        return bool(run["pictures"][0]["sha256"] == hashlib.sha256(content).hexdigest())


@contextmanager
def deployed(folder: Path, *, port: int | None = None, **settings: str) -> Iterator[Deployment]:
    """A deployment that lives as long as the block. Its pollers work in a thread, so tests may block.

    `port`: of the trigger, if a setting has to name it.
    """
    tokens = {"zapier": _sha256(TOKEN), "admin": {"sha256": _sha256(ADMIN_TOKEN), "admin": True}}
    auth = {
        "TRIGGER_TOKENS": json.dumps(tokens),
        "TRIGGER_SIGNING_SECRETS": json.dumps({"shop": [SIGNING_SECRET]}),
        "EVENT_SERVICE_ACCOUNT": ACCOUNT,
        "EVENT_AUDIENCE": AUDIENCE,
        "TRIGGER_PUBLIC": "true",
        "POLL_WINDOW_SECONDS": "3",
        "POLL_IDLE_EXIT_SECONDS": "1",
        "CALLBACK_HOSTS": "127.0.0.1",
    }
    simulator = {"SIMULATOR_RUN_SECONDS": RUN_SECONDS}
    settings = {**UNLIMITED, **auth, **settings}
    product = Product(folder, Places.local(folder), settings=settings, simulator=simulator, port=port)
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(product.running()),
        httpx.Client(timeout=PATIENCE, limits=IDLE_LIMITS, trust_env=False) as http,
    ):
        yield Deployment(product.trigger.url, product.simulator.url, http)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
