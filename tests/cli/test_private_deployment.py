"""Commands reach a deployment that Cloud Run's IAM protects and that has tokens of its own: each checks one header."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.cli.batch_trigger import Trigger
from tests.cli.command import Command
from tests.recipes.small_server import Answer, Request, serving

CREDENTIALS = {"WIREFLOW_IMAGES_TOKEN": "t0ken", "WIREFLOW_IMAGES_IDENTITY_TOKEN": "1dentity"}
QUOTE = {"count": 1, "estimatedCost": {"amount": 0.2}, "estimatedEndAt": None}
CONTINUE = "Run the same command again to continue."
PROBLEM = {"detail": "The token is unknown.", "field": None}


class Private:
    """A trigger behind IAM. `lasts`: for how many requests the identity token is valid."""

    def __init__(self, *statuses: str, lasts: int = 1000, images_at: str | None = None) -> None:
        self.trigger = Trigger(statuses or ("succeeded",), total=1)
        self.lasts, self.images_at = lasts, images_at

    def __call__(self, request: Request) -> Answer:
        self.lasts -= 1
        if request.headers["X-Serverless-Authorization"] != "Bearer 1dentity" or self.lasts < 0:
            return Answer(b"<html>Unauthorized", status=401)
        if "/image" not in request.path and request.headers["Authorization"] != "Bearer t0ken":
            return answer(httpx.Response(401, json=PROBLEM))
        if "/image" in request.path and self.images_at:
            return Answer(status=302, headers={"Location": self.images_at})
        if request.method == "POST":
            return answer(httpx.Response(200, json=QUOTE if "dryRun" in request.path else self.trigger.batch()))
        if request.path.startswith("/jobs?"):
            return answer(httpx.Response(200, json={"jobs": [], "nextCursor": None}))
        return answer(self.trigger(httpx.Request(request.method, f"http://trigger{request.path}")))


def answer(response: httpx.Response) -> Answer:
    return Answer(response.content, status=response.status_code)


class Elsewhere:
    """Another host, which keeps the credentials that it was sent."""

    def __init__(self, image: bytes) -> None:
        self.image, self.credentials, self.requests = image, set[str](), 0

    def __call__(self, request: Request) -> Answer:
        self.requests += 1
        self.credentials |= {name for name in request.headers if "authorization" in name.lower()}
        return Answer(self.image)


@contextmanager
def elsewhere(trigger: Trigger) -> Iterator[tuple[str, Elsewhere]]:
    host = Elsewhere(trigger.image)
    with serving(host) as url:
        yield url, host


@pytest.fixture
def table(command: Command) -> str:
    (command.folder / "prompts.csv").write_text("prompt\na cat\n")
    return "prompts.csv"


def test_a_command_sends_the_token_and_the_identity_token(command: Command):
    with serving(Private()) as url:
        listed = command.invoke("jobs", "list", "--url", url, **CREDENTIALS)
    assert (listed.code, listed.out) == (0, "No jobs.\n"), listed.err


def test_a_batch_sends_both_also_to_fetch_its_images(command: Command, table: str):
    with serving(Private()) as url:
        done = command.invoke("batch", table, "--url", url, "--yes", **CREDENTIALS)
    assert done.code == 0, done.err
    assert (command.folder / "images/0002-a-cat.png").exists()


@pytest.mark.parametrize("given", CREDENTIALS)
def test_a_caller_with_only_one_of_them_learns_where_to_put_the_other(command: Command, table: str, given: str):
    with serving(Private()) as url:
        for arguments in (("jobs", "list"), ("batch", table, "--yes")):
            refused = command.invoke(*arguments, "--url", url, **{given: CREDENTIALS[given]})
            assert refused.code == 2
            assert [name for name in CREDENTIALS if name not in refused.err] == []
            assert [secret for secret in CREDENTIALS.values() if secret in refused.err] == []


def test_no_credential_follows_a_redirect_to_another_host(command: Command, table: str):
    deployment = Private()
    with elsewhere(deployment.trigger) as (deployment.images_at, host), serving(deployment) as url:
        done = command.invoke("batch", table, "--url", url, "--yes", **CREDENTIALS)
    assert (done.code, host.requests, host.credentials) == (0, 1, set()), done.err


def test_images_are_fetched_from_the_trigger_that_was_named_not_from_its_public_url(command: Command, table: str):
    deployment = Private()
    with elsewhere(deployment.trigger) as (deployment.trigger.public_url, host), serving(deployment) as url:
        done = command.invoke("batch", table, "--url", url, "--yes", **CREDENTIALS)
    assert (done.code, host.requests) == (0, 0), done.err


@pytest.mark.parametrize("requests", [2, 4], ids=["at the first look", "while images are fetched"])
def test_a_batch_whose_identity_token_expires_says_why_and_how_to_continue(command: Command, table: str, requests: int):
    deployment = Private(lasts=requests)
    with serving(deployment) as url:
        arguments = ("batch", table, "--url", url, "--yes")
        stopped = command.invoke(*arguments, **CREDENTIALS)
        deployment.lasts = 1000
        again = command.invoke(*arguments, **CREDENTIALS)
    assert stopped.code == 2
    for words in (CONTINUE, "DELETE http://trigger/batches/b cancels", "HTTP 401", "valid for an hour"):
        assert words in stopped.err
    assert (again.code, (command.folder / "images/0002-a-cat.png").exists()) == (0, True), again.err


def test_an_upload_that_may_have_arrived_before_its_token_expired_says_how_to_continue(command: Command, table: str):
    deployment = Private(lasts=2)

    def respond(request: Request) -> Answer:
        response = deployment(request)
        return Answer(status=503) if deployment.lasts == 0 else response  # the upload was stored

    with serving(respond) as url:
        stopped = command.invoke("batch", table, "--url", url, "--yes", **CREDENTIALS)
    assert (stopped.code, f"{CONTINUE} Rows that were submitted continue" in stopped.err) == (2, True), stopped.err


def test_a_batch_that_is_rejected_at_once_has_nothing_to_continue(command: Command, table: str):
    for requests in (0, 1):  # the question for the price, and the upload
        with serving(Private(lasts=requests)) as url:
            refused = command.invoke("batch", table, "--url", url, "--yes", **CREDENTIALS)
        assert (refused.code, CONTINUE in refused.err) == (2, False)
