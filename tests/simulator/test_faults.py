"""Each fault occurs at its endpoints, with its effect, and as often as requested."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from email.utils import parsedate_to_datetime

import httpx
import pytest

from functions.simulator.api import PAID, Endpoint
from functions.simulator.faults import FAULTS
from tests.simulator.bodies import image_file
from tests.simulator.conftest import START, Open, Vendor

Check = Callable[[httpx.Response], bool]
SOON = START + timedelta(seconds=5)
EPOCH = int(SOON.timestamp())


def rejected(code: int, text: str = "") -> Check:
    return lambda response: response.status_code == code and text in response.text


# What the first call gets at which a fault occurs: a response that passes the check, or an httpx error.
EXPECTED: dict[str, Check | type[Exception]] = {
    "rate_limited_seconds": lambda a: a.status_code == 429 and a.headers["retry-after"] == "5",
    "rate_limited_date": lambda a: parsedate_to_datetime(a.headers["retry-after"]) == SOON,
    "rate_limited_reset": lambda a: (
        "retry-after" not in a.headers and a.headers["x-ratelimit-reset"] == str(EPOCH) and a.status_code == 429
    ),
    "rate_limited_epoch": lambda a: (
        not {"retry-after", "x-ratelimit-reset"} & set(a.headers) and a.json()["retryAfter"] == EPOCH
    ),
    "insufficient_credits": lambda a: a.status_code == 402 and a.json()["requiredCredits"] == 10,
    "insufficient_credits_typed": lambda a: a.json()["error"]["type"] == "insufficient_credits_error",
    "bad_request": rejected(400, "Missing required fields"),
    "workflow_inactive": rejected(400, "Workflow is not active"),
    "key_expired": rejected(401, "API key has expired"),
    "forbidden": rejected(403),
    "not_found": rejected(404),
    "conflict": rejected(409),
    "too_large": rejected(413),
    "unprocessable": rejected(422),
    "server_error_once": rejected(500),
    "server_error": rejected(500),
    "unavailable": lambda a: a.status_code == 503 and a.headers["retry-after"] == "5",
    "html_error": lambda a: a.status_code == 502 and a.headers["content-type"].startswith("text/html"),
    "redirect": lambda a: a.status_code == 301 and a.headers["location"].startswith("https://www.wireflow.ai/api"),
    "hang": httpx.ReadTimeout,
    "hang_after_start": httpx.ReadTimeout,
    "cut_in_header": httpx.RemoteProtocolError,
    "cut_in_body": httpx.RemoteProtocolError,
    "wrong_content_length": httpx.RemoteProtocolError,
    "early_end": lambda a: a.status_code == 200 and "content-length" not in a.headers and b"IEND" not in a.content,
    "slow_first_byte": httpx.ReadTimeout,
    "trickle": lambda a: a.status_code == 200 and a.content.endswith(b"IEND\xaeB`\x82"),
    "no_execution_id": lambda a: a.is_success and "exec_" not in f"{a.text} {a.headers}",
    "replayed_first_answer": rejected(429),
    "blocked_user_agent": rejected(403),
    "cdn_forbidden": rejected(403),
    "expired_403": rejected(403),
    "expired_404": rejected(404),
    "expired_410": rejected(410),
    "image_too_large": lambda a: a.headers["content-length"] == "300000" and len(a.content) == 300_000,
    "image_too_large_unannounced": lambda a: "content-length" not in a.headers and len(a.content) == 300_000,
    "not_an_image": lambda a: a.headers["content-type"] == "image/png" and a.content.startswith(b"PK"),
    "html_instead_of_image": lambda a: a.status_code == 200 and a.headers["content-type"].startswith("text/html"),
    "redirect_to_private": lambda a: a.status_code == 302 and "169.254.169.254" in a.headers["location"],
}
# Faults after which the same call succeeds.
ONCE = {name for name, fault in FAULTS.items() if fault.times == 1}


async def call(vendor: Vendor, endpoint: Endpoint, prompt: str, client: str = "python-httpx/0.28") -> httpx.Response:
    """Call an endpoint about the latest run, or about a new run of this prompt."""
    if endpoint in PAID:
        return await vendor.pay(endpoint, prompt)
    if endpoint is Endpoint.DESCRIBE:
        return await vendor.describe()
    if endpoint is Endpoint.UPLOAD:
        return await vendor.upload(image_file())
    if endpoint is Endpoint.HEALTH:
        return await vendor.http.get("/api/v1/workflow/demo-webhook/trigger")
    run = vendor.simulator.state.runs.all()[-1].execution_id
    url = f"http://wireflow.test/cdn/{run}/0.png"
    if endpoint is Endpoint.CDN:
        return await vendor.http.get(url, headers={"User-Agent": client})
    if endpoint is Endpoint.DOWNLOAD:
        return await vendor.http.get("/api/download", params={"url": url})
    return await (vendor.poll(run) if endpoint is Endpoint.POLL else vendor.details(run))


def test_every_fault_of_a_request_is_expected_here() -> None:
    assert set(EXPECTED) == {name for name, fault in FAULTS.items() if not fault.run}


@pytest.mark.parametrize(
    ("name", "endpoint"), [(name, endpoint) for name in EXPECTED for endpoint in FAULTS[name].default_at]
)
async def test_a_fault_in_a_prompt_occurs_at_its_default_endpoints(
    open_vendor: Open, name: str, endpoint: Endpoint
) -> None:
    expected = EXPECTED[name]
    prompt = f"a cat [fault:{name}]"
    async with open_vendor(large_bytes=300_000) as vendor:
        if endpoint not in PAID:
            await vendor.start(prompt)
        if isinstance(expected, type):
            with pytest.raises(expected):
                await call(vendor, endpoint, prompt)
        else:
            assert expected(await call(vendor, endpoint, prompt))
        again = await call(vendor, endpoint, prompt, client="images/1.0")
        assert again.is_success if name in ONCE | {"blocked_user_agent"} else expected(again)
        assert (await vendor.stats())["faults"][name] >= 1


@pytest.mark.parametrize("endpoint", PAID)
@pytest.mark.parametrize("name", ["hang_after_start", "cut_in_header", "no_execution_id", "slow_first_byte"])
async def test_these_faults_start_the_run_and_its_key_replays_it(vendor: Vendor, name: str, endpoint: Endpoint) -> None:
    prompt = f"a cat [fault:{name}]"
    try:
        lost = await vendor.pay(endpoint, prompt, "key-1")
        assert "exec_" not in lost.text
    except httpx.TransportError:
        pass
    (run,) = await vendor.runs()
    assert run["executionId"] in (await vendor.pay(endpoint, prompt, "key-1")).text
    assert (await vendor.stats())["paidRuns"] == 1


@pytest.mark.parametrize("endpoint", PAID)
@pytest.mark.parametrize("name", ["hang", "server_error_once", "rate_limited_seconds", "html_error", "redirect"])
async def test_these_faults_start_nothing(vendor: Vendor, name: str, endpoint: Endpoint) -> None:
    with suppress(httpx.TransportError):
        await vendor.pay(endpoint, f"a cat [fault:{name}]")
    assert (await vendor.stats())["paidRuns"] == 0


@pytest.mark.parametrize("style", ["flat", "wrapped", "nested"])
async def test_a_response_without_an_id_has_none_in_any_style(open_vendor: Open, style: str) -> None:
    async with open_vendor(style=style) as vendor:
        for endpoint in PAID:
            lost = await vendor.pay(endpoint, "a cat [fault:no_execution_id]")
            assert "exec_" not in f"{lost.text} {lost.headers}"
        assert len(await vendor.runs()) == 3


FREE = [name for name, fault in FAULTS.items() if {Endpoint.DESCRIBE, Endpoint.UPLOAD} <= set(fault.at)]


@pytest.mark.parametrize("endpoint", [Endpoint.DESCRIBE, Endpoint.UPLOAD])
@pytest.mark.parametrize("name", sorted({*FREE} - {"early_end", "trickle", "cut_in_body", "wrong_content_length"}))
async def test_a_rule_applies_to_descriptions_and_uploads(vendor: Vendor, name: str, endpoint: Endpoint) -> None:
    await vendor.fault(fault=name, times=1, **{"for": endpoint})
    expected = EXPECTED[name]
    if isinstance(expected, type):
        with pytest.raises(expected):
            await call(vendor, endpoint, "")
    else:
        assert expected(await call(vendor, endpoint, ""))
    assert (await call(vendor, endpoint, "")).status_code == 200


async def test_a_rejected_upload_stores_nothing(vendor: Vendor) -> None:
    await vendor.fault(fault="server_error", times=1, **{"for": "upload"})
    assert (await vendor.upload(image_file())).status_code == 500
    url = await vendor.hosted(image_file("blue"))
    assert (await vendor.http.get(url)).content == image_file("blue")


async def test_a_stored_error_is_replayed_for_its_key_only(vendor: Vendor) -> None:
    prompt = "a cat [fault:replayed_first_answer]"
    codes = [(await vendor.trigger(prompt, "job.1")).status_code for _ in range(3)]
    assert codes == [429, 429, 429]
    assert (await vendor.trigger(prompt, "job.2")).status_code == 202


@pytest.mark.parametrize("endpoint", PAID)
async def test_the_next_job_with_the_same_prompt_meets_its_fault_again(vendor: Vendor, endpoint: Endpoint) -> None:
    prompt = "a cat [fault:server_error_once]"
    worked = [(await vendor.pay(endpoint, prompt)).is_success for _ in range(4)]
    assert worked == [False, True, False, True]


async def test_so_does_the_next_job_after_a_replay(vendor: Vendor) -> None:
    for job in ("job-1", "job-2"):
        with pytest.raises(httpx.RemoteProtocolError):
            await vendor.trigger("a cat [fault:cut_in_header]", job)
        assert (await vendor.trigger("a cat [fault:cut_in_header]", job)).status_code == 202


async def test_a_prompt_can_name_endpoints_and_several_faults(vendor: Vendor) -> None:
    run = await vendor.start("a cat [fault:not_found@poll] [fault:server_error_once@details][fault:moderation]")
    assert (await vendor.poll(run)).status_code == 404
    assert [(await vendor.details(run)).status_code for _ in range(2)] == [500, 200]


@pytest.mark.parametrize("prompt", ["a cat [fault:nonsense]", "a cat [fault:moderation@cdn]"])
async def test_an_unknown_fault_in_a_prompt_is_rejected(vendor: Vendor, prompt: str) -> None:
    response = await vendor.trigger(prompt)
    assert response.status_code == 400
    assert (await vendor.stats())["paidRuns"] == 0


async def test_a_rule_applies_so_many_times_and_is_removed(vendor: Vendor) -> None:
    await vendor.fault(fault="server_error", times=2)
    codes = [(await vendor.trigger()).status_code for _ in range(4)]
    assert codes == [500, 500, 202, 202]
    assert (await vendor.http.get("/_faults")).json()["rules"] == []


async def test_a_rule_can_name_an_endpoint(vendor: Vendor) -> None:
    await vendor.fault(fault="html_error", **{"for": "poll"})
    run = await vendor.start()
    assert (await vendor.poll(run)).status_code == 502
    assert (await vendor.details(run)).status_code == 200
    await vendor.http.delete("/_faults")
    assert (await vendor.poll(run)).status_code == 200


async def test_a_rule_applies_to_its_share(vendor: Vendor) -> None:
    await vendor.fault(fault="server_error", share=0.2)
    codes = [(await vendor.trigger()).status_code for _ in range(500)]
    assert 70 < codes.count(500) < 130


async def test_the_same_seed_gives_the_same_faults(open_vendor: Open) -> None:
    seen = []
    for _ in range(2):
        async with open_vendor(seed=3) as vendor:
            await vendor.fault(fault="server_error", share=0.5)
            seen.append([(await vendor.trigger()).status_code for _ in range(50)])
    assert seen[0] == seen[1]


async def test_any_gives_many_faults_to_requests_and_runs(open_vendor: Open) -> None:
    async with open_vendor(large_bytes=1000) as vendor:
        await vendor.fault(fault="any", share=0.5)
        for n in range(100):
            for endpoint in Endpoint:
                with suppress(httpx.TransportError, IndexError):
                    await call(vendor, endpoint, f"prompt {n}")
        assert len((await vendor.stats())["faults"]) > 40


@pytest.mark.parametrize(
    "rule",
    [
        {"fault": "nonsense"},
        {},
        {"fault": "server_error", "times": 0},
        {"fault": "server_error", "share": 2},
        {"fault": "any", "time": 1},
        {"fault": "server_error", "for": "cdn"},
        {"fault": "any", "for": "nowhere"},
        [],
    ],
)
async def test_an_invalid_rule_is_rejected(vendor: Vendor, rule: object) -> None:
    assert (await vendor.http.post("/_faults", json=rule)).status_code == 422


async def test_all_faults_are_listed(vendor: Vendor) -> None:
    listed = (await vendor.http.get("/_faults")).json()["faults"]
    assert [fault["fault"] for fault in listed] == list(FAULTS)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=list(FAULTS))
def test_every_fault_has_one_effect(fault: object) -> None:
    ways = [fault.reply, fault.breaks, fault.edit, fault.run]
    assert sum(way is not None for way in ways) == 1
    assert fault.description
    assert set(fault.default_at) <= set(fault.at)
