"""How a command can fail. Each error has its exit code and is shown as one message on standard error.

ClickException
├── SetupError        2  a setting, a name, a port, or a folder is invalid; nothing was started
├── CheckFailed       2  Wireflow rejects the webhook, the key, or a workflow
├── RequestRejected   2  the trigger rejected the request; the caller must change it
├── RequestFailed     1  the trigger could not handle the request
├── JobFailed         1  the job failed, or was canceled
├── ServerStopped     1  a server stopped while it was needed
├── SaveFailed        1  the image exists, but its file could not be written
│   └── FetchFailed   1  the trigger did not send the image, or other bytes; trying again may succeed
├── JobUnfinished     3  the job was not finished before the timeout
└── Interrupted     130  Ctrl-C, SIGTERM, or SIGHUP
"""

import click


class SetupError(click.ClickException):
    """A setting, a name, a port, or a folder is invalid."""

    exit_code = 2


class CheckFailed(click.ClickException):
    """Wireflow rejects the webhook, the key, or a workflow of the environment."""

    exit_code = 2


class RequestRejected(click.ClickException):
    """The trigger rejected the request (4xx)."""

    exit_code = 2


class RequestFailed(click.ClickException):
    """The trigger could not handle the request (5xx, or 429), or did not respond."""

    exit_code = 1


class JobFailed(click.ClickException):
    """The job failed, or was canceled."""

    exit_code = 1


class ServerStopped(click.ClickException):
    """A server stopped while it was needed."""

    exit_code = 1


class SaveFailed(click.ClickException):
    """The image exists, but its file could not be written."""

    exit_code = 1


class FetchFailed(SaveFailed):
    """The trigger did not send the image, or other bytes. Trying again may succeed."""


class JobUnfinished(click.ClickException):
    """The job was not finished before the timeout."""

    exit_code = 3


class Interrupted(click.ClickException):
    """Ctrl-C, SIGTERM, or SIGHUP. Everything has been cleaned up."""

    exit_code = 130

    def __init__(self) -> None:
        super().__init__("interrupted")


def rejection(detail: str, field: str | None = None) -> str:
    """Return the message for a rejected request: what to change, and the field unless the detail names it."""
    named = f"{field}: " if field and field not in detail else ""
    return f"The request was rejected: {named}{detail}"
