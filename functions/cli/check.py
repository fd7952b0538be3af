"""Asks Wireflow, without spending: does the webhook answer, does the key work, and if not, what is to be done."""

from collections.abc import Mapping
from dataclasses import dataclass

from functions.cli import show
from functions.cli.errors import CheckFailed, WrongSetup
from shared import config
from shared.config import Config
from shared.errorcodes import EXPLANATIONS, ErrorCode
from shared.wireflow.client import WireflowClient
from shared.wireflow.errors import PollError, RunNotFound, WireflowError
from shared.wiring import SystemClock

# Not asked for here, but required of a function.
ELSEWHERE = {"JOBS_URL": "sqlite:///jobs.db", "IMAGES_URL": "file:///images"}
# No run has this id: a key that works is answered with 404, one that does not with 401.
UNREACHABLE = "Check the connection and WIREFLOW_BASE_URL, then ask again."
NO_RUN = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was asked. `fault` and `cure` are None where it works."""

    asked: str
    fault: str | None = None
    cure: str | None = None


async def report(environ: Mapping[str, str]) -> None:
    """Show the findings; CheckFailed if something does not work."""
    findings = await check(environ)
    show.findings([(finding.asked, finding.fault or "works", finding.cure or "") for finding in findings])
    if faults := [finding for finding in findings if finding.fault]:
        raise CheckFailed(f"{len(faults)} of {len(findings)} do not work")


async def check(environ: Mapping[str, str]) -> list[Finding]:
    """What works and what does not; WrongSetup names what is missing in the settings."""
    settings = _settings(environ)
    client = WireflowClient(settings.wireflow_base_url, settings.webhook_id, settings.api_key, SystemClock())
    try:
        return [await _webhook(client), await _key(client)]
    finally:
        await client.close()


def _settings(environ: Mapping[str, str]) -> Config:
    try:
        return config.load({**ELSEWHERE, **environ})
    except config.ConfigurationError as error:
        raise WrongSetup(str(error)) from error


async def _webhook(client: WireflowClient) -> Finding:
    asked = "the webhook (WIREFLOW_WEBHOOK_ID), by its free health call"
    try:
        await client.check_webhook()
    except WireflowError as error:
        return _finding(asked, error, error.code)
    return Finding(asked=asked)


async def _key(client: WireflowClient) -> Finding:
    asked = "the key (WIREFLOW_API_KEY), by a poll of a run that does not exist"
    try:
        await client.poll(NO_RUN)
    except RunNotFound:
        return Finding(asked=asked)
    except PollError as error:
        return _finding(asked, error, error.code)
    return Finding(asked=asked)


def _finding(asked: str, error: WireflowError, code: ErrorCode) -> Finding:
    cure = UNREACHABLE if code is ErrorCode.UPSTREAM_UNREACHABLE else EXPLANATIONS[code].hint
    return Finding(asked=asked, fault=f"{code}: {error}", cure=cure)
