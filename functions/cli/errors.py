"""How a command can end other than well: each way with its exit code.

ClickException        shown as one message on standard error
├── WrongSetup     2  a setting, a name, a port or a folder does not do; nothing was started
├── CheckFailed    2  Wireflow does not take the webhook, the key or a workflow
├── NotStarted     2  a process did not come up
├── RequestRefused 2  the trigger refused the request: the caller must change it
├── NotAccepted    1  the trigger could not take the request in
├── JobFailed      1  the job ended without all that was asked for
├── ProcessEnded   1  a process ended that should have gone on
├── NotWritten     1  the image is made, but cannot be written to the folder
├── Unfinished     3  the job goes on, the time to wait is over
└── Interrupted  130  Ctrl-C, or a signal to end
"""

import click


class WrongSetup(click.ClickException):
    """A setting, a name, a port or a folder does not do."""

    exit_code = 2


class CheckFailed(click.ClickException):
    """Wireflow does not take the webhook, the key or a workflow of the environment."""

    exit_code = 2


class NotStarted(click.ClickException):
    """A process did not come up; the message ends with its last words."""

    exit_code = 2


class RequestRefused(click.ClickException):
    """The trigger refused the request: the caller must change it."""

    exit_code = 2


class NotAccepted(click.ClickException):
    """The trigger could not take the request in, or did not answer."""

    exit_code = 1


class JobFailed(click.ClickException):
    """The job ended without all that was asked for."""

    exit_code = 1


class ProcessEnded(click.ClickException):
    """A process ended that should have gone on; the message ends with its last words."""

    exit_code = 1


class NotWritten(click.ClickException):
    """The image is made, but its file is not there."""

    exit_code = 1


class Unfinished(click.ClickException):
    """The time to wait is over."""

    exit_code = 3


class Interrupted(click.ClickException):
    """Ctrl-C, or a signal to end. All processes are ended by now."""

    exit_code = 130

    def __init__(self) -> None:
        super().__init__("interrupted")
