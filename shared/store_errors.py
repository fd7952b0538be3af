"""The errors of a job store."""

from shared.job import Job


class StoreError(Exception):
    """Base class of the errors of a job store.

    StoreError
    ├── AlreadyExists      a job with this id exists; the error carries it
    ├── Conflict           the document was changed since it was read
    ├── UnreadableJob      the document cannot be read by this version
    ├── UnreadableGate     the same of the gate: no job can be started
    ├── RecordTooLarge     the store never accepts a document of this size
    └── StoreUnavailable   the store did not respond in time or failed; a retry may help
    """


class AlreadyExists(StoreError):
    """A job with this id already exists; `job` is the stored one."""

    def __init__(self, job: Job) -> None:
        super().__init__(f"job {job.id} exists")
        self.job = job


class Conflict(StoreError):
    """The document was changed since it was read: the caller no longer owns it."""


class UnreadableJob(StoreError):
    """The document is from a newer version or was edited by hand: it stays as it is."""


class UnreadableGate(StoreError):
    """The gate is from a newer version or was edited by hand: it stays as it is, and no job can be started."""


class RecordTooLarge(StoreError):
    """The document is larger than the store accepts, or invalid in another way: a retry does not help."""


class StoreUnavailable(StoreError):
    """The store did not respond in time or reported an internal error."""
