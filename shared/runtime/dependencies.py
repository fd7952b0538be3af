"""The dependencies of the steps: one instance of each, made by `wiring` once per process, or by a test."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

from shared.config import Config
from shared.log import Log
from shared.notifications.port import Receivers
from shared.ports import Clock, ImageSource, ImageStore, ImageStream, JobStore, WakeUp, Wireflow
from shared.runtime.admission import Admission
from shared.runtime.batch_rows import BatchRows
from shared.runtime.endpoints import Endpoints
from shared.runtime.executions import Executions
from shared.runtime.hooks import Hooks
from shared.runtime.queue_snapshot import QueueSnapshot
from shared.runtime.request_limiter import RequestLimiter
from shared.runtime.run_times import RunTimes
from shared.runtime.scans import Scans
from shared.runtime.slots import Slots, WindowEnd
from shared.runtime.unknown_shapes import UnknownShapes
from shared.runtime.usage_days import UsageDays
from shared.runtime.workflow_inputs import WorkflowInputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Deps:
    """The settings, the adapters behind their ports, and what the jobs of an instance share."""

    config: Config
    clock: Clock
    log: Log
    store: JobStore
    images: ImageStore
    source: ImageSource  # of results: the allowed hosts
    inputs: ImageSource  # of input images: any public host
    image_from_bytes: Callable[[bytes], ImageStream]  # raises ImageRefused
    wireflow: Wireflow
    admission: Admission
    queue: QueueSnapshot
    hooks: Hooks
    requests: RequestLimiter
    run_times: RunTimes
    wake_up: WakeUp
    receivers: Receivers
    endpoints: Endpoints
    scans: Scans
    executions: Executions
    unknown_shapes: UnknownShapes
    workflow_inputs: WorkflowInputs
    usage_days: UsageDays
    batch_rows: BatchRows
    window: WindowEnd
    fetches: Slots  # of input images by URL
    uploads: Slots  # of input images to Wireflow: each is in memory
    copies: Slots
    input_threads: Executor
    copy_threads: Executor
    random_id: Callable[[], str]  # 128 bits, 32 hex digits
    random: Callable[[], float]  # from 0 to 1, for jitter
