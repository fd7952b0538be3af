"""A client that openapi-python-client generates from the served document works with the product that serves it."""

import importlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from tests.cli.command import Command, eventually
from tests.openapi.conftest import SCRIPTS, Serve

PACKAGE = "generated_images_client"
PACE = {"SIMULATOR_RUN_SECONDS": "1", "EXECUTIONS_PER_MINUTE": "1"}  # the second job stays queued: it can be canceled


class Product(NamedTuple):
    url: str
    token: str


@pytest.fixture(scope="module")
def product(serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> Product:
    """A product that asks for a token."""
    token, setting = Command(tmp_path_factory.mktemp("token")).run("token", "shop").out.splitlines()
    return Product(serve(TRIGGER_TOKENS=setting, **PACE), token)


@pytest.fixture(scope="module")
def generated(product: Product, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of the generated package, and what the generator said."""
    folder = tmp_path_factory.mktemp("generated")
    (folder / "configuration.yaml").write_text("post_hooks: []\n")
    credential = {"Authorization": f"Bearer {product.token}"}  # the workflows are not shown without one
    served = httpx.get(f"{product.url}/openapi.json", headers=credential)
    (folder / "openapi.json").write_bytes(served.raise_for_status().content)
    command = [SCRIPTS / "openapi-python-client", "generate", "--path", folder / "openapi.json", "--meta", "none"]
    options = ["--output-path", folder / PACKAGE, "--config", folder / "configuration.yaml"]
    environment = {"PATH": os.environ["PATH"], "COLUMNS": "200", "NO_COLOR": "1"}
    done = subprocess.run([*command, *options], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, done.stdout + done.stderr


@pytest.fixture
def package(generated: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Imports a module of the generated package by its name."""
    monkeypatch.syspath_prepend(generated[0])
    return lambda name: importlib.import_module(f"{PACKAGE}.{name}")


@pytest.fixture
def client(product: Product, package: Any) -> Iterator[Any]:
    with package("client").AuthenticatedClient(base_url=product.url, token=product.token) as client:
        yield client


def test_the_generator_reads_all_of_it_but_the_bytes_of_images_and_csv(generated: tuple[Path, str]):
    complaints = [line for line in generated[1].splitlines() if line.startswith(("WARNING", "ERROR"))]
    paths = ("/jobs/{id}/image", "/jobs/{id}/image/{index}")
    # Each of them twice: for the whole image and a part of it, for CSV and what Windows calls it.
    images = [f"WARNING parsing GET {path} within images." for path in paths for _ in range(2)]
    uploads = ["WARNING parsing POST /batches within batches."] * 2
    assert sorted(complaints) == sorted([*images, *uploads])


def test_it_submits_follows_cancels_and_lists(client: Any, package: Any):
    create, get, cancel, listed = (
        package(f"api.jobs.{name}") for name in ("create_job", "get_job", "cancel_job", "list_jobs")
    )
    models, status = package("models"), package("models").JobStatus
    fox = models.RequestDefault(prompt="a red fox")

    first = create.sync(client=client, body=fox, idempotency_key="fox")
    again = create.sync_detailed(client=client, body=fox, idempotency_key="fox")
    assert (again.parsed.id, again.headers["Idempotent-Replayed"]) == (first.id, "true")
    eventually(lambda: get.sync(client=client, id=first.id, prefer="wait=5").status is status.SUCCEEDED)
    done = get.sync(client=client, id=first.id)
    assert (done.prompt, done.image_count, done.caller, done.error_code) == ("a red fox", 1, "shop", None)
    assert done.completed_at > done.created_at

    batch = create.sync(client=client, body=models.BatchWithDefaults(prompts=["a lighthouse", fox]))
    assert [job.prompt for job in batch.jobs] == ["a lighthouse", "a red fox"]
    last = batch.jobs[1]
    assert cancel.sync(client=client, id=last.id).status is status.CANCELED
    assert get.sync(client=client, id=last.id).status is status.CANCELED
    refused = cancel.sync(client=client, id=first.id)
    assert (type(refused), refused.error_code) == (models.Problem, models.ProblemErrorCode.NOT_CANCELABLE)

    assert {job.id for job in listed.sync(client=client).jobs} == {first.id, *(job.id for job in batch.jobs)}
    page = listed.sync(client=client, status=status.CANCELED, limit=1)
    assert ([job.id for job in page.jobs], page.next_cursor) == ([last.id], None)


def test_it_sends_forms_and_events(client: Any, package: Any):
    create, models = package("api.jobs.create_job"), package("models")
    form = create.sync(client=client, body=models.Form(prompt="a form", allow_partial=True))
    multipart = create.sync(client=client, body=models.MultipartForm(prompt="a multipart form"))
    request = models.RequestDefault(prompt="an event")
    event = models.CloudEvent(specversion="1.0", id="1", source="/shop", type_="com.example.paid", data=request)
    structured = create.sync(client=client, body=event)
    assert [job.prompt for job in (form, multipart, structured)] == ["a form", "a multipart form", "an event"]


def test_it_reads_workflows_and_problems(client: Any, package: Any, product: Product):
    workflows = package("api.deployment.list_workflows").sync(client=client).workflows
    assert [workflow.name for workflow in workflows] == ["default", "pro", "saved"]
    create, models = package("api.jobs.create_job"), package("models")
    blank = create.sync_detailed(client=client, body=models.RequestDefault(prompt=" "))
    assert (blank.status_code, blank.parsed.field) == (422, "prompt")
    with package("client").AuthenticatedClient(base_url=product.url, token="a guess") as stranger:
        unauthorized = create.sync(client=stranger, body=models.RequestDefault(prompt="a cat"))
    assert unauthorized.error_code is models.ProblemErrorCode.UNAUTHORIZED
