"""Makes the real objects, once per instance and not before the first request; the only one that names concrete classes.

gRPC does not survive the fork that the framework makes after importing a function. What only runs locally (SQLite, the
folder) is imported only where it is used.
"""

import asyncio
import os
import secrets
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from shared import config as settings
from shared.config import Config, ConfigurationError
from shared.log import Event, Log, quiet_libraries
from shared.ports import ImageSource, ImageStore, ImageStream, JobStore
from shared.runtime.admission import Admission
from shared.runtime.dependencies import Deps
from shared.runtime.request_limiter import RequestLimiter
from shared.runtime.unknown_shapes import UnknownShapes
from shared.runtime.workflow_inputs import WorkflowInputs

COPIES_AT_ONCE = 8  # threads; each holds about one chunk of 1 MiB
UPLOADS_AT_ONCE = 2  # of input images, each of which is held in memory
INPUT_BYTES = 25 * 1024 * 1024  # what Wireflow takes: github.com/wireflowINC/wireflow-skill


class SystemClock:
    """The time of the machine."""

    def now(self) -> datetime:
        """The present in UTC."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Let others work for `seconds`."""
        await asyncio.sleep(max(seconds, 0))


def configuration() -> Config:
    """The settings of the environment; with a fault in them the process ends and names all of them."""
    quiet_libraries()
    try:
        return settings.load(os.environ)
    except ConfigurationError as error:
        Log().error(Event.CONFIGURATION, str(error))
        sys.exit(str(error))


def dependencies(config: Config, log: Log | None = None) -> Deps:
    """Build everything that an instance works with; its events go to `log`, by default to standard output.

    Nothing is called yet: clients connect when they are first used.
    """
    from shared.wireflow.client import WireflowClient

    clock, log = SystemClock(), log or Log()
    store = job_store(config)
    requests = RequestLimiter(config.requests_per_minute, clock)
    hidden = [workflow.id for workflow in config.workflows]
    wireflow = WireflowClient(config.wireflow_base_url, config.webhook_id, config.api_key, clock, hidden=hidden)
    return Deps(
        config=config,
        clock=clock,
        log=log,
        store=store,
        images=image_store(config),
        source=image_source(config),
        wireflow=wireflow,
        admission=Admission(store, config.limits, clock, log),
        requests=requests,
        unknown_shapes=UnknownShapes(log),
        workflow_inputs=WorkflowInputs(wireflow, requests, clock),
        inputs=input_source(config),
        image_from_bytes=image_from_bytes,
        uploads=asyncio.Semaphore(UPLOADS_AT_ONCE),
        copy_threads=ThreadPoolExecutor(COPIES_AT_ONCE, thread_name_prefix="copy"),
        random_id=lambda: secrets.token_hex(16),
    )


def job_store(config: Config) -> JobStore:
    """The job store of JOBS_URL."""
    if config.jobs.scheme == "firestore":
        from shared.jobs.firestore import FirestoreJobs

        return FirestoreJobs(config.jobs.host, config.jobs.path)
    from shared.jobs.sqlite import SqliteJobs

    return SqliteJobs(config.jobs.path)


def image_store(config: Config) -> ImageStore:
    """The image store of IMAGES_URL."""
    if config.images.scheme == "gs":
        from shared.images.gcs import BucketImages

        return BucketImages(config.images.host, config.images.path, emulator=bool(config.storage_emulator))
    from shared.images.directory import DirectoryImages

    return DirectoryImages(Path(config.images.path))


def image_source(config: Config) -> ImageSource:
    """Where images are fetched from: the hosts of IMAGE_HOSTS and Wireflow's download proxy."""
    from shared import egress
    from shared.images.download import Downloads

    client = egress.client(_known_hosts(config), allow_private=config.allow_private_network)
    return Downloads(client, base_url=config.wireflow_base_url, max_bytes=config.max_image_bytes)


def input_source(config: Config) -> ImageSource:
    """Where input images are fetched from: any public place."""
    from shared import egress
    from shared.images.download import Downloads

    client = egress.client(_known_hosts(config), allow_private=config.allow_private_network, any_public=True)
    return Downloads(client, base_url=None, max_bytes=INPUT_BYTES)


def image_from_bytes(content: bytes) -> ImageStream:
    """The input image that these bytes are; ImageRefused if they are none."""
    from shared.images import measure

    return measure.image_from_bytes(content, max_bytes=INPUT_BYTES)


def _known_hosts(config: Config) -> tuple[str, ...]:
    return (*config.image_hosts, urlsplit(config.wireflow_base_url).netloc)
