"""What every step works with: one of each, made by `wiring` once per instance, or by a test."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

from shared.config import Config
from shared.log import Log
from shared.ports import Clock, ImageSource, ImageStore, JobStore, Wireflow
from shared.steps.admission import Admission
from shared.steps.drift import Drift
from shared.steps.requests import Requests


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The settings, the world behind its ports, and what an instance shares between jobs."""

    config: Config
    clock: Clock
    log: Log
    store: JobStore
    images: ImageStore
    source: ImageSource
    wireflow: Wireflow
    admission: Admission
    requests: Requests
    drift: Drift
    copy_threads: Executor
    random_id: Callable[[], str]  # 128 bits, 32 hex digits
