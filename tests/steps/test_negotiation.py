"""What a client that names several types in `Accept` gets: a page or an image only if it prefers that to JSON."""

import pytest

from tests.harness.world import World

N8N = "application/json,text/html,application/xhtml+xml,application/xml,text/*;q=0.9, image/*;q=0.8, */*;q=0.7"
CHROME = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8"
IMG = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
UNKNOWN = f"/jobs/{'0' * 32}"


async def content_type(world: World, path: str, accept: str) -> tuple[int, str]:
    response = await world.http.get(path, headers={"Accept": accept})
    return response.status_code, response.headers["content-type"].partition(";")[0]


@pytest.mark.parametrize(
    ("accept", "page"),
    [
        (CHROME, True),
        ("text/html", True),
        ("text/html, application/json;q=0.9", True),
        ("text/html;q=0.9, */*;q=0.8", True),
        (N8N, False),
        ("text/html, application/json", False),
        ("application/json, text/html;q=0.5", False),
        ("text/html;q=0, */*", False),
        ("text/html;q=.0", False),
        ("*/*", False),
    ],
)
async def test_a_page_is_for_clients_that_prefer_it_to_json(world: World, accept: str, page: bool) -> None:
    expected = "text/html" if page else "application/problem+json"
    assert await content_type(world, UNKNOWN, accept) == (404, expected)


@pytest.mark.parametrize(
    ("accept", "image"),
    [
        (IMG, True),
        (CHROME, True),
        ("image/*", True),
        ("image/png;q=0.5", True),
        (N8N, False),
        ("application/json, image/*;q=0.9", False),
        ("image/*;q=0, */*", False),
        ("*/*", False),
    ],
)
async def test_a_placeholder_is_for_clients_that_prefer_an_image_to_json(
    world: World, accept: str, image: bool
) -> None:
    path = f"/jobs/{await world.accepted('a cat')}/image"
    got = await content_type(world, path, accept)
    if image:
        assert got == (200, "image/png")
    else:
        assert got[0] == 409
        assert not got[1].startswith("image/")


async def test_n8n_reads_which_field_is_wrong(world: World) -> None:
    response = await world.http.post("/", json={"prompt": "a cat", "callbackUrl": "x"}, headers={"Accept": N8N})
    assert (response.status_code, response.json()["field"]) == (422, "callbackUrl")


async def test_n8n_gets_the_job_it_has_waited_for(world: World) -> None:
    headers = {"Accept": N8N, "Idempotency-Key": "n8n-execution-231"}
    job_id = (await world.http.post("/", json={"prompt": "a cat"}, headers=headers)).json()["id"]
    await world.end_of(job_id)
    response = await world.http.post("/", json={"prompt": "a cat"}, headers=headers | {"Prefer": "wait=25"})
    assert (response.status_code, response.json()["status"]) == (200, "succeeded")
