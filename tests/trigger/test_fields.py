"""Each of our fields is checked by name; all that is not ours goes to Wireflow exactly as it came."""

import json
from typing import Any

import pytest

from tests.trigger.posting import refusal, sent, submission

CAT = {"prompt": "a cat"}
JOB = "0123456789abcdef" * 2
LOCAL = {"ALLOW_PRIVATE_NETWORK": "true", "WIREFLOW_BASE_URL": "http://127.0.0.1:8090/api/v1"}


@pytest.mark.parametrize("prompt", ["x" * 4_000, "🦊" * 4_000, " a ", "<script>", "\u0000", "a\ncat"])
async def test_a_prompt_is_kept_as_it_came(prompt: str) -> None:
    assert (await submission(sent(json={"prompt": prompt}))).prompt == prompt


@pytest.mark.parametrize("prompt", [None, "", " \n\t\u3000", 7, ["a cat"], "x" * 4_001, "a \ud83d cat"])
async def test_a_prompt_that_is_none_is_refused(prompt: Any) -> None:
    assert await refusal(sent(json={"prompt": prompt})) == (422, "prompt")


async def test_what_is_not_ours_goes_on_as_it_came() -> None:
    fields = {"style": ["noir", {"é": 1.0}], "n": 10**30, "": None, "website": "https://a.example", "Prompt": "x"}
    made = await submission(
        sent(json={**fields, **CAT, "workflow": "default", "deadlineSeconds": 1, "allowPartial": True})
    )
    assert json.loads(made.input) == fields
    assert (made.deadline_seconds, made.allow_partial, made.key, made.file) == (1.0, True, None, None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("workflow", value) for value in (None, 7, ["pro"])),
        *(("deadlineSeconds", value) for value in (0, -1, True, "60", 1e300, 1e9)),
        *(("allowPartial", value) for value in ("true", None, 1)),
        *(("fromImage", value) for value in (-1, 1.0, True, "0", None)),
        *(("fromJob", value) for value in (None, 7, "", JOB[1:], JOB.upper(), JOB + "\n", [JOB])),
        ("style", ["x", {"y": "\ud83d"}]),
    ],
)
async def test_a_field_that_is_wrong_is_named(name: str, value: Any) -> None:
    job = {"fromJob": JOB} if name == "fromImage" else {}
    assert await refusal(sent(json={**CAT, **job, name: value})) == (422, name)


# --- the input image -----------------------------------------------------------------------------------------------

URLS = [
    "https://a.example/b.png",
    "https://a.example:443/b.png?x=1&y=[2]#z",
    "HTTPS://A.example",
    "https://xn--mnchen-3ya.example/%C3%A4.png",
    "https://93.184.216.34/b.png",
    "https://[2606:4700::1]/b.png",
    "https://a.example/" + "x" * (2_048 - 18),
]
NO_URLS = [
    *(None, 7, "", "b.png", "/b.png", "//a.example/b.png", "https:", "https://", "https:///b.png", "https:a.example"),
    *("http://a.example/b.png", "ftp://a.example/b.png", "data:image/png;base64,AAAA", "file:///etc/passwd"),
    *(
        "https://a.example:8443/",
        "https://user@a.example/",
        "https://user:password@a.example/",
        "https://@a.example/",
        "https://a.example\\@b.example/",
    ),
    *("https://127.0.0.1/", "https://10.0.0.1/", "https://169.254.169.254/", "https://[::1]/", "https://127.0.0.1./"),
    *("https://[::ffff:10.0.0.1]/", "https://0.0.0.0/", "https://192.168.1.1:8443/"),
    *(
        " https://a.example/",
        "https://a.example/ b",
        "https://a.example/\n",
        "https://münchen.example/",
        "https://a.b:0/",
    ),
    *("https://a.example:99999/", "https://a.example:x/", "https://[::1/", "https://a.example/" + "x" * 2_031),
]


@pytest.mark.parametrize("url", URLS)
async def test_an_input_image_may_be_at_any_public_address(url: str) -> None:
    made = await submission(sent(json={**CAT, "image1": url}))
    assert (made.image_url, made.input) == (url, "{}")


@pytest.mark.parametrize("url", NO_URLS, ids=str)
async def test_an_address_that_is_none_or_private_is_refused(url: Any) -> None:
    assert await refusal(sent(json={**CAT, "image1": url})) == (422, "image1")


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/b.png", "http://cdn.test/b.png", "http://a.cdn.test:9/b.png"])
async def test_a_local_run_may_take_its_images_from_its_own_hosts(url: str) -> None:
    settings = {**LOCAL, "IMAGE_HOSTS": "cdn.test:8090"}
    assert (await submission(sent(json={**CAT, "image1": url}), **settings)).image_url == url
    assert await refusal(sent(json={**CAT, "image1": url}), IMAGE_HOSTS="cdn.test") == (422, "image1")
    assert await refusal(sent(json={**CAT, "image1": "http://a.example/"}), **settings) == (422, "image1")
    assert await refusal(sent(json={**CAT, "image1": "https://10.0.0.1/"}), **settings) == (422, "image1")


@pytest.mark.parametrize(("number", "expected"), [({}, 0), ({"fromImage": 0}, 0), ({"fromImage": 3}, 3)])
async def test_the_picture_of_an_earlier_job_is_named_by_job_and_number(number: dict[str, int], expected: int) -> None:
    made = await submission(sent(json={**CAT, "fromJob": JOB, **number}))
    assert (made.from_job, made.from_image, made.image_url) == (JOB, expected, None)


async def test_two_input_images_are_refused() -> None:
    request = sent(json={**CAT, "fromJob": JOB, "image1": "https://a.example/b.png"})
    assert await refusal(request) == (422, "fromJob")
    assert await refusal(sent(json={**CAT, "fromImage": 1})) == (422, "fromImage")


# --- where a form goes on ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example",
        "https://shop.example/thanks?x=1#y",
        "https://SHOP.example:443/",
        "http://localhost:3000/",
    ],
)
async def test_a_form_goes_on_where_forms_may_come_from(url: str) -> None:
    assert await submission(sent(data={**CAT, "redirectUrl": url}))


@pytest.mark.parametrize(
    "url",
    [
        *(None, 7, "", "/thanks", "//shop.example/", "thanks", "javascript:alert(1)", "http://shop.example/"),
        *(
            "https://shop.example:8443/",
            "https://shop.example.evil.example/",
            "https://evil.example/?https://shop.example",
        ),
        *(
            "https://shop.example@evil.example/",
            "https://evil.example\\@shop.example/",
            "https://shop.example\\.evil.example",
        ),
        *(
            "https://shop.example/\r\nSet-Cookie: x",
            "https://x.shop.example/",
            "http://localhost/",
            "https://user@shop.example/",
        ),
    ],
    ids=str,
)
async def test_a_form_goes_on_nowhere_else(url: Any) -> None:
    assert await refusal(sent(json={**CAT, "redirectUrl": url})) == (422, "redirectUrl")
