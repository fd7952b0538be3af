"""Where a command acts: on a deployment, by its URL, or on the state of this machine."""

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlsplit

import click

from functions.cli.errors import SetupError

TOKEN_VARIABLE = "WIREFLOW_IMAGES_TOKEN"  # noqa: S105 - the name of a variable
IDENTITY_VARIABLE = "WIREFLOW_IMAGES_IDENTITY_TOKEN"
TOKEN_HELP = (
    f"A token of the deployment; better in {TOKEN_VARIABLE}. For a private deployment, put an identity token "
    f"into {IDENTITY_VARIABLE}."
)
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A deployment, if there is a `url`; else the store of JOBS_URL, or that of `serve` (`live`: `serve --live`).

    `token` is for the function, `identity_token` for the IAM of Cloud Run in front of a private one.
    """

    url: str | None = None
    token: str | None = field(default=None, repr=False)
    identity_token: str | None = field(default=None, repr=False)
    live: bool = False

    @property
    def headers(self) -> dict[str, str]:
        """The credentials of each request to this deployment. They must not be sent to another host.

        With both headers Cloud Run checks only the second, and leaves the first to the function:
        https://cloud.google.com/run/docs/authenticating/service-to-service#acquire-token
        """
        credentials = {"Authorization": self.token, "X-Serverless-Authorization": self.identity_token}
        return {name: f"Bearer {token}" for name, token in credentials.items() if token}

    @property
    def options(self) -> str:
        """The options that name this place in a command, apart from the token."""
        return f" --url {self.url}" if self.url else " --live" * self.live

    @classmethod
    def of(cls, url: str | None, token: str | None, *, live: bool) -> Self:
        """Return the place that the options name. Raises SetupError if they contradict each other."""
        if url is None:
            if token is not None:
                raise SetupError("--token is for a deployment: name it with --url.")
            return cls(live=live)
        if live:
            raise SetupError("--live is for the state of this machine: leave out --url or --live.")
        return cls(
            url=_checked(url),
            token=_checked_token(token or os.environ.get(TOKEN_VARIABLE) or "", f"--token or {TOKEN_VARIABLE}"),
            identity_token=_checked_token(os.environ.get(IDENTITY_VARIABLE) or "", IDENTITY_VARIABLE),
        )


def at_place(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options --url, --token, and --live to a command, which gets a `place` for them."""

    @functools.wraps(command)
    def wrapped(*, url: str | None, token: str | None, live: bool, **options: Any) -> Any:
        return command(place=Place.of(url, token, live=live), **options)

    for option in (
        click.option("--live", is_flag=True, help="Without --url and JOBS_URL: the job store of `serve --live`."),
        click.option("--token", help=TOKEN_HELP),
        click.option("--url", help="The URL of a deployment's trigger, such as https://TRIGGER."),
    ):
        wrapped = option(wrapped)
    return wrapped


def _checked(url: str) -> str:
    """Return the URL without a slash at the end. Raises SetupError if a token must not be sent there."""
    try:
        parts = urlsplit(url)
        secure = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
        valid = secure and parts.hostname and not (parts.query or parts.fragment or parts.username)
        valid = valid and parts.port != 0 and url.isprintable() and " " not in url  # a port above 65535 raises
    except ValueError:
        valid = False
    if not valid:
        raise SetupError(f"--url: {url!r} must begin with https:// (http:// only for this machine), without a query.")
    return url.rstrip("/")


def _checked_token(token: str, source: str) -> str | None:
    """Return the token without surrounding white space, such as the line end of a file; None if nothing is left.

    Raises SetupError, which does not quote it, if it has characters that no header can have.
    """
    token = token.strip()
    if not (token.isascii() and token.isprintable()):
        raise SetupError(f"The token ({source}) has characters that no token has. Copy it again.")
    return token or None
