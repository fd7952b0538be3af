"""What a response of a trigger, or of something else at its URL, means for a command."""

import json

import httpx
import pytest
from click import ClickException

from functions.cli.api import Api, json_of, open_api
from functions.cli.errors import RequestFailed, RequestRejected, SetupError
from functions.cli.place import Place
from tests.cli.command import Command

PROBLEM = {"detail": "Must be one of 1K, 2K.", "field": "resolution"}


def response(status: int, **content: object) -> httpx.Response:
    return httpx.Response(status, request=httpx.Request("GET", "https://t.example"), **content)  # type: ignore[arg-type]


def test_a_missing_or_wrong_token_says_how_commands_send_it():
    with pytest.raises(RequestRejected, match=r"1K, 2K\. Commands send the token of WIREFLOW_IMAGES_TOKEN"):
        json_of(response(401, json=PROBLEM))


@pytest.mark.parametrize("status", [400, 403, 404, 409, 410, 422])
def test_a_request_that_must_be_changed_is_rejected_with_the_reason(status: int):
    with pytest.raises(RequestRejected, match=r"^The request was rejected: resolution: Must be one of 1K, 2K\.$"):
        json_of(response(status, json=PROBLEM))


@pytest.mark.parametrize("status", [302, 408, 429, 500, 503])
def test_a_request_that_may_succeed_later_has_failed(status: int):
    with pytest.raises(RequestFailed, match=r"Must be one of"):
        json_of(response(status, json=PROBLEM))


@pytest.mark.parametrize("content", [{"text": "<html>"}, {"json": []}, {"json": {"detail": {}}}, {"content": b"\xff"}])
def test_a_rejection_that_is_no_problem_document_names_the_status_and_identity_tokens(content: dict[str, object]):
    with pytest.raises(RequestRejected, match="403") as error:
        json_of(response(403, **content))
    assert "gcloud auth print-identity-token" in error.value.message


def test_a_success_without_json_is_not_from_a_trigger():
    assert json_of(response(204)) == {}
    with pytest.raises(RequestFailed, match="Is it the URL of a trigger"):
        json_of(response(200, text="<html>"))


@pytest.mark.parametrize("document", [[], "text", 7, [{"jobs": []}]])
def test_a_success_with_other_json_than_an_object_is_not_from_a_trigger(document: object):
    with pytest.raises(RequestFailed, match=r"t\.example is not an object\. Is it the URL of a trigger"):
        json_of(response(200, json=document))


def test_a_response_without_a_field_that_a_command_reads_is_not_from_a_trigger():
    found = json_of(response(200, json={"jobs": [{"id": "1"}]}))
    assert (found["jobs"][0]["id"], found.get("nextCursor")) == ("1", None)
    for read in (lambda: found["nextCursor"], lambda: found["jobs"][0]["status"]):
        with pytest.raises(RequestFailed, match=r"no field '(nextCursor|status)'\. Is it the URL of a trigger"):
            read()


@pytest.mark.parametrize("status", [302, 404])
def test_a_page_of_something_else_asks_whether_the_url_is_right(status: int):
    with pytest.raises(ClickException, match=f"t.example: HTTP {status}. Is it the URL of a trigger"):
        json_of(response(status, text="<html>", headers={"location": "https://login.example/?secret=1"}))


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (httpx.ConnectError(""), r"https://t\.example.* did not respond: ConnectError"),
        (httpx.ReadTimeout(""), r"https://t\.example.* did not respond within 30 s\."),
        (httpx.ConnectTimeout(""), r"https://t\.example.* did not respond within 30 s\."),
        (UnicodeError("label too long"), r"https://t\.example.* did not respond: label too long"),
    ],
)
async def test_a_server_that_cannot_be_reached_is_named(error: Exception, message: str):
    def refuse(_request: httpx.Request) -> httpx.Response:
        raise error

    async with httpx.AsyncClient(base_url="https://t.example", transport=httpx.MockTransport(refuse)) as http:
        with pytest.raises(RequestFailed, match=message):
            await Api(http).get("/jobs", limit=None)


@pytest.mark.parametrize("url", ["https://xn--a", f"https://{'a' * 300}.example"])
async def test_a_name_that_no_host_has_is_no_crash(url: str):
    with pytest.raises((SetupError, RequestFailed)):
        async with open_api(Place(url=url), {}) as api:
            await api.get("/jobs")


@pytest.mark.parametrize("status", [200, 202])
async def test_only_204_confirms_that_something_was_removed(status: int):
    def respond(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, json={"ok": True})

    async with httpx.AsyncClient(base_url="https://t.example", transport=httpx.MockTransport(respond)) as http:
        with pytest.raises(RequestFailed, match=rf"HTTP {status}\. Is it the URL of a trigger"):
            await Api(http).remove("/hooks/1")
    transport = httpx.MockTransport(lambda _request: httpx.Response(204))
    async with httpx.AsyncClient(base_url="https://t.example", transport=transport) as http:
        await Api(http).remove("/hooks/1")


def test_commands_act_on_the_store_of_a_deployment_with_its_public_url(command: Command):
    url, images = f"sqlite:///{command.folder / 'jobs.db'}", f"file://{command.folder / 'images'}"
    stores = {"JOBS_URL": url, "IMAGES_URL": images, "PUBLIC_URL": "https://trigger.example"}
    assert json.loads(command.invoke("jobs", "list", "--json", **stores).out) == {"jobs": []}
