"""Creates the real objects, once per instance and on the first request. Only this module names concrete classes.

gRPC does not survive the fork that the framework makes after importing a function. Adapters for local runs (SQLite, the
directory) are imported only when they are used.
"""

import asyncio
import os
import random
import secrets
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from shared import config as settings
from shared.config import Config, ConfigurationError
from shared.log import Event, Log, quiet_libraries
from shared.notifications.port import Receivers
from shared.ports import INPUT_SECONDS, Clock, ImageSource, ImageStore, ImageStream, JobStore, WakeUp, Wireflow
from shared.runtime.admission import Admission
from shared.runtime.batch_rows import BatchRows
from shared.runtime.dependencies import Deps
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

# At the same time; one caller gets at most half of each.
MAX_CONCURRENT_COPIES = 12  # each holds about one chunk of 1 MiB
MAX_CONCURRENT_UPLOADS = 2  # of input images, which are held in memory
MAX_CONCURRENT_FETCHES = 24  # of input images; each holds about one chunk of 1 MiB
INPUT_THREADS = 48  # more than fetches: a fetch that was abandoned ends a little later
RESOLVER_THREADS = 96  # of the hosts of receivers: a lookup may go on when its delivery has timed out
MAX_INPUT_BYTES = 25 * 1024 * 1024  # the maximum of Wireflow: github.com/wireflowINC/wireflow-skill


class SystemClock:
    """The clock of the machine."""

    def now(self) -> datetime:
        """Return the current time in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds since some moment; setting the machine's clock does not change them."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds`; return at once for zero or less."""
        await asyncio.sleep(max(seconds, 0))


def configuration() -> Config:
    """Return the settings of the environment; exit with a message that names every fault if they are invalid."""
    quiet_libraries()
    try:
        config = settings.load(os.environ)
    except ConfigurationError as error:
        Log().error(Event.CONFIGURATION, str(error))
        sys.exit(str(error))
    log_outdated_models(config, Log())
    return config


def log_outdated_models(config: Config, log: Log) -> None:
    """Log each workflow whose model is deprecated or retired, with the model's successor."""
    for workflow in config.workflows:
        if (model := workflow.own_model) and model.warning:
            log.warning(
                Event.CONFIGURATION,
                f"Workflow {workflow.name}: {model.warning}",
                workflow=workflow.name,
                model=model.name,
                modelStatus=model.status,
                modelSuccessor=model.successor,
            )


def dependencies(config: Config, log: Log | None = None, wake_up: WakeUp | None = None) -> Deps:
    """Return the dependencies of an instance, by default those of the settings. Clients connect on first use."""
    clock, log, store = SystemClock(), log or Log(), job_store(config)
    window = WindowEnd(clock)
    requests = RequestLimiter(config.requests_per_minute, clock, window, config.limits.on_arrival.per_minute)
    admission = Admission(store, config.limits, clock, log)
    callers, bounded = config.limits.spending.callers, config.max_queued_jobs > 0
    wireflow = wireflow_client(config, clock)
    return Deps(
        config=config,
        clock=clock,
        log=log,
        store=store,
        images=image_store(config),
        source=image_source(config),
        wireflow=wireflow,
        admission=admission,
        queue=QueueSnapshot(store, admission, clock, callers, bounded=bounded),
        hooks=Hooks(store, clock),
        requests=requests,
        run_times=RunTimes(admission),
        wake_up=wake_up or wake_up_of(config, log),
        receivers=receivers(config),
        endpoints=Endpoints(clock, random.random),
        executions=Executions(),
        scans=Scans(store, [workflow.name for workflow in config.workflows], clock, log),
        unknown_shapes=UnknownShapes(log),
        workflow_inputs=WorkflowInputs(wireflow, requests, clock),
        inputs=input_source(config),
        image_from_bytes=image_from_bytes,
        usage_days=UsageDays(store, clock),
        batch_rows=BatchRows(store, clock),
        window=window,
        fetches=Slots(MAX_CONCURRENT_FETCHES, window),
        uploads=Slots(MAX_CONCURRENT_UPLOADS, window),
        copies=Slots(MAX_CONCURRENT_COPIES, window),
        input_threads=ThreadPoolExecutor(INPUT_THREADS, thread_name_prefix="input"),
        copy_threads=ThreadPoolExecutor(MAX_CONCURRENT_COPIES, thread_name_prefix="copy"),
        random_id=lambda: secrets.token_hex(16),
        random=random.random,
    )


def job_store(config: Config) -> JobStore:
    """Return the job store of JOBS_URL."""
    if config.jobs.scheme == "firestore":
        from shared.jobs.firestore import FirestoreJobs

        return FirestoreJobs(config.jobs.host, config.jobs.path)
    from shared.jobs.sqlite import SqliteJobs

    return SqliteJobs(config.jobs.path)


def wireflow_client(config: Config, clock: Clock) -> Wireflow:
    """Return the client of Wireflow, which redacts the ids of the workflows from its errors."""
    from shared.wireflow.client import WireflowClient

    workflow_ids = [workflow.id for workflow in config.workflows]
    return WireflowClient(config.wireflow_base_url, config.webhook_id, config.api_key, clock, secrets=workflow_ids)


def wake_up_of(config: Config, log: Log) -> WakeUp:
    """Return the wake-ups by Cloud Tasks, or none at all without the settings WAKE_UP_*."""
    if config.wake_up is None:
        from shared.wake_up.in_process import NoWakeUp

        return NoWakeUp()
    import httpx

    from shared.wake_up.cloud_tasks import CloudTasksWakeUp, Credentials

    http = httpx.AsyncClient(trust_env=False)
    return CloudTasksWakeUp(config.wake_up, SystemClock(), log, Credentials(), http)


def image_store(config: Config) -> ImageStore:
    """Return the image store of IMAGES_URL."""
    if config.images.scheme == "gs":
        from shared.images.gcs import BucketImages

        return BucketImages(config.images.host, config.images.path, emulator=bool(config.storage_emulator))
    from shared.images.directory import DirectoryImages

    return DirectoryImages(Path(config.images.path))


def image_source(config: Config) -> ImageSource:
    """Return the source of result images: the hosts of IMAGE_HOSTS and Wireflow's download proxy."""
    from shared import egress
    from shared.images.download import Downloader

    client = egress.client(_allowed_hosts(config), allow_private=config.allow_private_network)
    return Downloader(client, base_url=config.wireflow_base_url, max_bytes=config.max_image_bytes)


def input_source(config: Config) -> ImageSource:
    """Return the source of input images: any public host."""
    from shared import egress
    from shared.images.download import Downloader

    client = egress.client(_allowed_hosts(config), allow_private=config.allow_private_network, any_public=True)
    return Downloader(client, base_url=None, max_bytes=MAX_INPUT_BYTES, seconds=INPUT_SECONDS)


def receivers(config: Config) -> Receivers:
    """Return the receivers of notifications: any public host."""
    from shared.notifications.receivers import HttpReceivers

    threads = ThreadPoolExecutor(RESOLVER_THREADS, thread_name_prefix="resolver")
    return HttpReceivers(config.callbacks.hosts, threads, allow_private=config.allow_private_network)


def image_from_bytes(content: bytes) -> ImageStream:
    """Return the input image in `content`; raise ImageRefused if it is not an image."""
    from shared.images import stream

    return stream.image_from_bytes(content, max_bytes=MAX_INPUT_BYTES)


def _allowed_hosts(config: Config) -> tuple[str, ...]:
    return (*config.image_hosts, urlsplit(config.wireflow_base_url).netloc)
