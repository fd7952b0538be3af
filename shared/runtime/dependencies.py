"""What every step works with: one of each, made by `wiring` once per instance, or by a test."""

from asyncio import Semaphore
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

from shared.config import Config
from shared.log import Log
from shared.ports import Clock, ImageSource, ImageStore, ImageStream, JobStore, Wireflow
from shared.runtime.admission import Admission
from shared.runtime.request_limiter import RequestLimiter
from shared.runtime.unknown_shapes import UnknownShapes
from shared.runtime.workflow_inputs import WorkflowInputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Deps:
    """The settings, the world behind its ports, and what an instance shares between jobs."""

    config: Config
    clock: Clock
    log: Log
    store: JobStore
    images: ImageStore
    source: ImageSource
    wireflow: Wireflow
    admission: Admission
    requests: RequestLimiter
    drift: UnknownShapes
    descriptions: WorkflowInputs
    inputs: ImageSource  # of input images: any public place
    image_from_bytes: Callable[[bytes], ImageStream]  # ImageRefused if the bytes are none
    uploads: Semaphore  # input images in memory at the same time
    copy_threads: Executor
    random_id: Callable[[], str]  # 128 bits, 32 hex digits
