"""What every step works with: one of each, made by `wiring` once per instance, or by a test."""

from asyncio import Semaphore
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

from shared.config import Config
from shared.log import Log
from shared.ports import Clock, ImageSource, ImageStore, JobStore, Picture, Wireflow
from shared.steps.admission import Admission
from shared.steps.descriptions import Descriptions
from shared.steps.drift import Drift
from shared.steps.request_budget import RequestBudget


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
    requests: RequestBudget
    drift: Drift
    descriptions: Descriptions
    inputs: ImageSource  # of input images: any public place
    picture_of: Callable[[bytes], Picture]  # ImageRefused if the bytes are none
    uploads: Semaphore  # input images in memory at the same time
    copy_threads: Executor
    random_id: Callable[[], str]  # 128 bits, 32 hex digits
