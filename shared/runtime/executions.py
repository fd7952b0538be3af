"""Which job of this instance an execution id was given to first."""

MAX_REMEMBERED = 10_000


class Executions:
    """The execution ids of this instance's paid calls. Jobs of other instances are found in the store."""

    def __init__(self) -> None:
        self._jobs: dict[str, str] = {}

    def owner(self, execution_id: str, job_id: str) -> str:
        """Return the id of the job that got this execution first: `job_id`, unless there was another one."""
        owner = self._jobs.setdefault(execution_id, job_id)
        if len(self._jobs) > MAX_REMEMBERED:
            del self._jobs[next(iter(self._jobs))]
        return owner
