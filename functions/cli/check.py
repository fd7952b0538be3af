"""Asks Wireflow, without spending: do the webhook, the key and each workflow answer, and if not, what is to be done."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from functions.cli import show
from functions.cli.errors import CheckFailed, WrongSetup
from shared import config
from shared.config import Config
from shared.error_codes import EXPLANATIONS, ErrorCode
from shared.wireflow.client import WireflowClient
from shared.wireflow.errors import PollError, RunNotFound, WireflowError
from shared.wiring import SystemClock
from shared.workflows import Mode, Workflow, public_workflow

# Not asked for here, but required of a function.
ELSEWHERE = {"JOBS_URL": "sqlite:///jobs.db", "IMAGES_URL": "file:///images"}
# No run has this id: a key that works is answered with 404, one that does not with 401.
NO_RUN = "00000000-0000-0000-0000-000000000000"

UNREACHABLE = "Check the connection and WIREFLOW_BASE_URL, then ask again."
WRONG_ID = "Set its id in WIREFLOW_WORKFLOWS to that of an existing workflow, for a webhook to the webhook's."
NO_FREE_CALL = (
    "No free call shows whether a graph can be executed there: only its first job does. With a wrong id that job and "
    "all others wait (workflow_not_found), and nothing is paid."
)
NO_TEXT_INPUT = "Give it a text input in Wireflow: the first one takes the prompt."

WORKS = "works"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was asked. `advice`: what to do, if anything."""

    asked: str
    answer: str = WORKS
    advice: str = ""
    wrong: bool = False


async def report(environ: Mapping[str, str]) -> None:
    """Show the findings; CheckFailed if something does not work."""
    findings = await check(environ)
    show.findings([(finding.asked, finding.answer, finding.advice) for finding in findings])
    if wrong := sum(finding.wrong for finding in findings):
        raise CheckFailed(f"{wrong} of {len(findings)} do not work")


async def check(environ: Mapping[str, str]) -> list[Finding]:
    """What works and what does not; WrongSetup names what is missing in the settings."""
    settings = _settings(environ)
    async with _client(settings, settings.webhook_id) as client:
        findings = [await _webhook(client, "the webhook (WIREFLOW_WEBHOOK_ID)"), await _key(client)]
        for workflow in settings.workflows:
            if (workflow.mode, workflow.id) != (Mode.WEBHOOK, settings.webhook_id):  # that one has been asked
                findings.append(await _workflow(workflow, client, settings))
    return findings


def _settings(environ: Mapping[str, str]) -> Config:
    try:
        return config.load({**ELSEWHERE, **environ})
    except config.ConfigurationError as error:
        raise WrongSetup(str(error)) from error


@asynccontextmanager
async def _client(settings: Config, webhook_id: str) -> AsyncIterator[WireflowClient]:
    """Wireflow, with this webhook; the ids of all workflows are redacted from errors."""
    workflow_ids = (settings.webhook_id, *(workflow.id for workflow in settings.workflows))
    url, key = settings.wireflow_base_url, settings.api_key
    client = WireflowClient(url, webhook_id, key, SystemClock(), secrets=workflow_ids)
    try:
        yield client
    finally:
        await client.close()


async def _webhook(client: WireflowClient, what: str, wrong_id: str | None = None) -> Finding:
    asked = f"{what}, by its free health call"
    try:
        await client.check_webhook()
    except WireflowError as error:
        return _fault(asked, error, error.code, wrong_id)
    return Finding(asked=asked)


async def _key(client: WireflowClient) -> Finding:
    asked = "the key (WIREFLOW_API_KEY), by a poll of a run that does not exist"
    try:
        await client.poll(NO_RUN)
    except RunNotFound:
        return Finding(asked=asked)
    except PollError as error:
        return _fault(asked, error, error.code)
    return Finding(asked=asked)


async def _workflow(workflow: Workflow, client: WireflowClient, settings: Config) -> Finding:
    """One of WIREFLOW_WORKFLOWS."""
    what = f"the workflow {workflow.name}"
    if workflow.mode is Mode.RUN:
        return await _saved(workflow, client, f"{what} (run), by the free description of its inputs")
    if workflow.mode is Mode.WEBHOOK:
        async with _client(settings, workflow.id) as of_its_own:
            return await _webhook(of_its_own, f"{what} (webhook)", WRONG_ID)
    answer = "not asked; its settings are well-formed"
    return Finding(asked=f"{what} (execute)", answer=answer, advice=NO_FREE_CALL)


async def _saved(workflow: Workflow, client: WireflowClient, asked: str) -> Finding:
    try:
        inputs = await client.describe(workflow)
    except WireflowError as error:
        return _fault(asked, error, error.code, WRONG_ID)
    if not any(item.kind == "text" for item in inputs):
        return Finding(asked=asked, answer="it has no text input", advice=NO_TEXT_INPUT, wrong=True)
    names = [field["name"] for field in public_workflow(workflow, inputs)["fields"]]
    return Finding(asked=asked, answer=f"{WORKS}; it takes {', '.join(names)}")


def _fault(asked: str, error: WireflowError, code: ErrorCode, wrong_id: str | None = None) -> Finding:
    advice = UNREACHABLE if code is ErrorCode.UPSTREAM_UNREACHABLE else EXPLANATIONS[code].hint
    if wrong_id and code in (ErrorCode.WORKFLOW_NOT_FOUND, ErrorCode.INVALID_REQUEST):
        advice = wrong_id
    return Finding(asked=asked, answer=f"{code}: {error}", advice=advice, wrong=True)
