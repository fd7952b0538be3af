"""`check`: whether the webhook, the API key, and each workflow work at Wireflow, at no cost."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from functions.cli.errors import CheckFailed, SetupError
from functions.cli.output import print_findings
from functions.cli.text import dollars_text
from shared import config
from shared.config import Config
from shared.error_codes import EXPLANATIONS, ErrorCode
from shared.spending.money import dollars
from shared.wireflow.client import WireflowClient
from shared.wireflow.errors import PollError, RunNotFound, WireflowError
from shared.wiring import SystemClock
from shared.workflows import Mode, Workflow, public_workflow

# Settings that the functions require and this command does not use.
UNUSED = {"JOBS_URL": "sqlite:///jobs.db", "IMAGES_URL": "file:///images"}
# No run has this ID: with a valid key Wireflow responds 404, otherwise 401.
UNKNOWN_RUN = "00000000-0000-0000-0000-000000000000"

UNREACHABLE = "Check the network connection and WIREFLOW_BASE_URL, then try again."
WRONG_ID = "Set its id in WIREFLOW_WORKFLOWS to the ID of an existing workflow, or, with mode webhook, of its webhook."
NO_FREE_CALL = (
    "No free call shows whether a graph can be executed. The first job shows it: with a wrong ID all its jobs wait "
    "(workflow_not_found), and nothing is charged."
)
NO_TEXT_INPUT = "Add a text input to the workflow in Wireflow: the first one takes the prompt."
NO_PRICE = "Set its pricePerImage in WIREFLOW_WORKFLOWS if you use spend limits, which require it, or to see costs."

WORKS = "works"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The result of one check. `advice`: what to do, if anything."""

    subject: str
    result: str = WORKS
    advice: str = ""
    failed: bool = False


async def report(environ: Mapping[str, str]) -> None:
    """Print the findings. Raises CheckFailed if a check failed, SetupError for invalid settings."""
    findings = await check(environ)
    print_findings([(finding.subject, finding.result, finding.advice) for finding in findings])
    if failed := sum(finding.failed for finding in findings):
        raise CheckFailed("1 check failed." if failed == 1 else f"{failed} checks failed.")


async def check(environ: Mapping[str, str]) -> list[Finding]:
    """Check everything that can be checked free of charge. Raises SetupError, which names every invalid setting."""
    try:
        settings = config.load({**UNUSED, **environ})
    except config.ConfigurationError as error:
        raise SetupError(str(error)) from error
    async with _client(settings, settings.webhook_id) as client:
        findings = [await _check_webhook(client, "the webhook (WIREFLOW_WEBHOOK_ID)"), await _check_key(client)]
        for workflow in settings.workflows:
            if (workflow.mode, workflow.id) != (Mode.WEBHOOK, settings.webhook_id):  # checked already
                findings += [await _check_workflow(workflow, client, settings), *_check_model(workflow)]
            findings.append(_price(workflow, settings.usd_per_credit))
    return findings


@asynccontextmanager
async def _client(settings: Config, webhook_id: str) -> AsyncIterator[WireflowClient]:
    """Create a client of one webhook. It redacts the ids of all workflows in errors."""
    workflow_ids = (settings.webhook_id, *(workflow.id for workflow in settings.workflows))
    url, key = settings.wireflow_base_url, settings.api_key
    client = WireflowClient(url, webhook_id, key, SystemClock(), secrets=workflow_ids)
    try:
        yield client
    finally:
        await client.close()


async def _check_webhook(client: WireflowClient, what: str, wrong_id: str | None = None) -> Finding:
    subject = f"{what}, with its free health call"
    try:
        await client.check_webhook()
    except WireflowError as error:
        return _failure(subject, error, error.code, wrong_id)
    return Finding(subject=subject)


async def _check_key(client: WireflowClient) -> Finding:
    subject = "the API key (WIREFLOW_API_KEY), by polling a run that does not exist"
    try:
        await client.poll(UNKNOWN_RUN)
    except RunNotFound:
        return Finding(subject=subject)
    except PollError as error:
        return _failure(subject, error, error.code)
    return Finding(subject=subject)


async def _check_workflow(workflow: Workflow, client: WireflowClient, settings: Config) -> Finding:
    """Check one of WIREFLOW_WORKFLOWS."""
    what = f"the workflow {workflow.name}"
    if workflow.mode is Mode.RUN:
        return await _check_saved_workflow(workflow, client, f"{what} (run), with the free description of its inputs")
    if workflow.mode is Mode.WEBHOOK:
        async with _client(settings, workflow.id) as its_client:
            return await _check_webhook(its_client, f"{what} (webhook)", WRONG_ID)
    return Finding(subject=f"{what} (execute)", result="not checked; its settings are valid", advice=NO_FREE_CALL)


def _check_model(workflow: Workflow) -> Iterator[Finding]:
    """Warn of a model that is deprecated or retired. That is no failure: its jobs may still succeed."""
    if (model := workflow.own_model) and model.warning:
        yield Finding(
            subject=f"the model of the workflow {workflow.name}", result=str(model.status), advice=model.warning
        )


def _price(workflow: Workflow, usd_per_credit: int) -> Finding:
    """Return the price of an image, by which costs are estimated and spend limits are kept."""
    subject, model = f"the price per image of the workflow {workflow.name}", workflow.own_model
    if workflow.prices:
        prices = (f"${price:.2f}" + (f" ({resolution})" if resolution else "") for resolution, price in workflow.prices)
        return Finding(subject=subject, result=", ".join(prices))
    if model and model.credits is not None:
        price = dollars_text(dollars(model.credits * usd_per_credit))
        result = f"{price}, the {model.credits} credits of {model.name} in Wireflow's list"
        return Finding(subject=subject, result=result, advice=NO_PRICE)
    return Finding(subject=subject, result="not known", advice=NO_PRICE)


async def _check_saved_workflow(workflow: Workflow, client: WireflowClient, subject: str) -> Finding:
    try:
        inputs = await client.describe_inputs(workflow)
    except WireflowError as error:
        return _failure(subject, error, error.code, WRONG_ID)
    if not any(item.kind == "text" for item in inputs):
        return Finding(subject=subject, result="it has no text input", advice=NO_TEXT_INPUT, failed=True)
    names = [field["name"] for field in public_workflow(workflow, inputs)["fields"]]
    return Finding(subject=subject, result=f"{WORKS}; its fields are {', '.join(names)}")


def _failure(subject: str, error: WireflowError, code: ErrorCode, wrong_id: str | None = None) -> Finding:
    advice = UNREACHABLE if code is ErrorCode.UPSTREAM_UNREACHABLE else EXPLANATIONS[code].hint
    if wrong_id and code in (ErrorCode.WORKFLOW_NOT_FOUND, ErrorCode.INVALID_REQUEST):
        advice = wrong_id
    return Finding(subject=subject, result=f"{code}: {error}", advice=advice, failed=True)
