"""Each fault strikes where it says, as it says, and as often as it was asked for."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from email.utils import parsedate_to_datetime

import httpx
import pytest

from functions.simulator.api import PAID, Endpoint
from functions.simulator.faults import FAULTS
from tests.simulator.bodies import picture
from tests.simulator.conftest import START, Open, Vendor

Check = Callable[[httpx.Response], bool]
SOON = START + timedelta(seconds=5)
EPOCH = int(SOON.timestamp())


def refused(code: int, text: str = "") -> Check:
    return lambda answer: answer.status_code == code and text in answer.text


# What the first call that a prompt's fault strikes gets: an answer that passes the check, or an httpx error.
STRUCK: dict[str, Check | type[Exception]] = {
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
    "bad_request": refused(400, "Missing required fields"),
    "workflow_inactive": refused(400, "Workflow is not active"),
    "key_expired": refused(401, "API key has expired"),
    "forbidden": refused(403),
    "not_found": refused(404),
    "conflict": refused(409),
    "too_large": refused(413),
    "unprocessable": refused(422),
    "server_error_once": refused(500),
    "server_error": refused(500),
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
    "replayed_first_answer": refused(429),
    "blocked_user_agent": refused(403),
    "cdn_forbidden": refused(403),
    "expired_403": refused(403),
    "expired_404": refused(404),
    "expired_410": refused(410),
    "image_too_large": lambda a: a.headers["content-length"] == "300000" and len(a.content) == 300_000,
    "image_too_large_unannounced": lambda a: "content-length" not in a.headers and len(a.content) == 300_000,
    "not_an_image": lambda a: a.headers["content-type"] == "image/png" and a.content.startswith(b"PK"),
    "html_instead_of_image": lambda a: a.status_code == 200 and a.headers["content-type"].startswith("text/html"),
    "redirect_to_private": lambda a: a.status_code == 302 and "169.254.169.254" in a.headers["location"],
}
# Faults of the usual kind after which the same call, made again, is answered well.
ONCE = {name for name, fault in FAULTS.items() if fault.times == 1}


async def call(vendor: Vendor, place: Endpoint, prompt: str, client: str = "python-httpx/0.28") -> httpx.Response:
    """One call to an endpoint about a run of this prompt, which was started before faults could strike."""
    if place in PAID:
        return await vendor.pay(place, prompt)
    if place is Endpoint.DESCRIBE:
        return await vendor.describe()
    if place is Endpoint.UPLOAD:
        return await vendor.upload(picture())
    if place is Endpoint.HEALTH:
        return await vendor.http.get("/api/v1/workflow/demo-webhook/trigger")
    run = vendor.simulator.state.runs.all()[-1].execution_id
    url = f"http://wireflow.test/cdn/{run}/0.png"
    if place is Endpoint.CDN:
        return await vendor.http.get(url, headers={"User-Agent": client})
    if place is Endpoint.DOWNLOAD:
        return await vendor.http.get("/api/download", params={"url": url})
    return await (vendor.poll(run) if place is Endpoint.POLL else vendor.details(run))


def test_every_fault_of_a_request_has_its_expectation() -> None:
    assert set(STRUCK) == {name for name, fault in FAULTS.items() if not fault.run}


@pytest.mark.parametrize(("name", "place"), [(name, place) for name in STRUCK for place in FAULTS[name].default_at])
async def test_a_prompt_is_struck_where_its_fault_usually_strikes(
    open_vendor: Open, name: str, place: Endpoint
) -> None:
    expected = STRUCK[name]
    prompt = f"a cat [fault:{name}]"
    async with open_vendor(large_bytes=300_000) as vendor:
        if place not in PAID:
            await vendor.start(prompt)
        if isinstance(expected, type):
            with pytest.raises(expected):
                await call(vendor, place, prompt)
        else:
            assert expected(await call(vendor, place, prompt))
        again = await call(vendor, place, prompt, client="images/1.0")
        assert again.is_success if name in ONCE | {"blocked_user_agent"} else expected(again)
        assert (await vendor.stats())["faults"][name] >= 1


@pytest.mark.parametrize("place", PAID)
@pytest.mark.parametrize("name", ["hang_after_start", "cut_in_header", "no_execution_id", "slow_first_byte"])
async def test_these_start_the_run_and_a_known_key_finds_it_again(vendor: Vendor, name: str, place: Endpoint) -> None:
    prompt = f"a cat [fault:{name}]"
    try:
        lost = await vendor.pay(place, prompt, "key-1")
        assert "exec_" not in lost.text
    except httpx.TransportError:
        pass
    (run,) = await vendor.runs()
    assert run["executionId"] in (await vendor.pay(place, prompt, "key-1")).text
    assert (await vendor.stats())["paidRuns"] == 1


@pytest.mark.parametrize("place", PAID)
@pytest.mark.parametrize("name", ["hang", "server_error_once", "rate_limited_seconds", "html_error", "redirect"])
async def test_these_start_nothing(vendor: Vendor, name: str, place: Endpoint) -> None:
    with suppress(httpx.TransportError):
        await vendor.pay(place, f"a cat [fault:{name}]")
    assert (await vendor.stats())["paidRuns"] == 0


@pytest.mark.parametrize("style", ["flat", "wrapped", "nested"])
async def test_an_answer_without_an_id_has_none_in_any_envelope(open_vendor: Open, style: str) -> None:
    async with open_vendor(style=style) as vendor:
        for place in PAID:
            lost = await vendor.pay(place, "a cat [fault:no_execution_id]")
            assert "exec_" not in f"{lost.text} {lost.headers}"
        assert len(await vendor.runs()) == 3


FREE = [name for name, fault in FAULTS.items() if {Endpoint.DESCRIBE, Endpoint.UPLOAD} <= set(fault.at)]


@pytest.mark.parametrize("place", [Endpoint.DESCRIBE, Endpoint.UPLOAD])
@pytest.mark.parametrize("name", sorted({*FREE} - {"early_end", "trickle", "cut_in_body", "wrong_content_length"}))
async def test_a_rule_strikes_descriptions_and_uploads(vendor: Vendor, name: str, place: Endpoint) -> None:
    await vendor.fault(fault=name, times=1, **{"for": place})
    expected = STRUCK[name]
    if isinstance(expected, type):
        with pytest.raises(expected):
            await call(vendor, place, "")
    else:
        assert expected(await call(vendor, place, ""))
    assert (await call(vendor, place, "")).status_code == 200


async def test_an_upload_that_is_refused_hosts_nothing(vendor: Vendor) -> None:
    await vendor.fault(fault="server_error", times=1, **{"for": "upload"})
    assert (await vendor.upload(picture())).status_code == 500
    url = await vendor.hosted(picture("blue"))
    assert (await vendor.http.get(url)).content == picture("blue")


async def test_a_replayed_refusal_holds_for_its_key_and_not_for_the_next(vendor: Vendor) -> None:
    prompt = "a cat [fault:replayed_first_answer]"
    codes = [(await vendor.trigger(prompt, "job.1")).status_code for _ in range(3)]
    assert codes == [429, 429, 429]
    assert (await vendor.trigger(prompt, "job.2")).status_code == 202


@pytest.mark.parametrize("place", PAID)
async def test_the_same_prompt_sent_as_another_job_is_struck_again(vendor: Vendor, place: Endpoint) -> None:
    prompt = "a cat [fault:server_error_once]"
    worked = [(await vendor.pay(place, prompt)).is_success for _ in range(4)]
    assert worked == [False, True, False, True]


async def test_so_is_one_whose_run_was_found_again_by_its_key(vendor: Vendor) -> None:
    for job in ("job-1", "job-2"):
        with pytest.raises(httpx.RemoteProtocolError):
            await vendor.trigger("a cat [fault:cut_in_header]", job)
        assert (await vendor.trigger("a cat [fault:cut_in_header]", job)).status_code == 202


async def test_a_prompt_can_say_where_and_name_several(vendor: Vendor) -> None:
    run = await vendor.start("a cat [fault:not_found@poll] [fault:server_error_once@details][fault:moderation]")
    assert (await vendor.poll(run)).status_code == 404
    assert [(await vendor.details(run)).status_code for _ in range(2)] == [500, 200]


@pytest.mark.parametrize("prompt", ["a cat [fault:nonsense]", "a cat [fault:moderation@cdn]"])
async def test_a_fault_that_there_is_not_is_refused_in_words(vendor: Vendor, prompt: str) -> None:
    answer = await vendor.trigger(prompt)
    assert answer.status_code == 400
    assert (await vendor.stats())["paidRuns"] == 0


async def test_a_rule_strikes_so_many_times_and_is_gone(vendor: Vendor) -> None:
    await vendor.fault(fault="server_error", times=2)
    codes = [(await vendor.trigger()).status_code for _ in range(4)]
    assert codes == [500, 500, 202, 202]
    assert (await vendor.http.get("/_faults")).json()["rules"] == []


async def test_a_rule_can_say_where(vendor: Vendor) -> None:
    await vendor.fault(fault="html_error", **{"for": "poll"})
    run = await vendor.start()
    assert (await vendor.poll(run)).status_code == 502
    assert (await vendor.details(run)).status_code == 200
    await vendor.http.delete("/_faults")
    assert (await vendor.poll(run)).status_code == 200


async def test_a_rule_strikes_its_share(vendor: Vendor) -> None:
    await vendor.fault(fault="server_error", share=0.2)
    codes = [(await vendor.trigger()).status_code for _ in range(500)]
    assert 70 < codes.count(500) < 130


async def test_the_same_seed_brings_the_same_faults(open_vendor: Open) -> None:
    seen = []
    for _ in range(2):
        async with open_vendor(seed=3) as vendor:
            await vendor.fault(fault="server_error", share=0.5)
            seen.append([(await vendor.trigger()).status_code for _ in range(50)])
    assert seen[0] == seen[1]


async def test_any_brings_many_kinds_to_requests_and_to_runs(open_vendor: Open) -> None:
    async with open_vendor(large_bytes=1000) as vendor:
        await vendor.fault(fault="any", share=0.5)
        for n in range(100):
            for place in Endpoint:
                with suppress(httpx.TransportError, IndexError):
                    await call(vendor, place, f"prompt {n}")
        assert len((await vendor.stats())["faults"]) > 40


@pytest.mark.parametrize(
    "rule",
    [
        {"fault": "nonsense"},
        {},
        {"fault": "server_error", "times": 0},
        {"fault": "server_error", "share": 2},
        {"fault": "server_error", "for": "cdn"},
        {"fault": "any", "for": "nowhere"},
        [],
    ],
)
async def test_a_rule_that_makes_no_sense_is_refused(vendor: Vendor, rule: object) -> None:
    assert (await vendor.http.post("/_faults", json=rule)).status_code == 422


async def test_the_list_tells_every_fault(vendor: Vendor) -> None:
    listed = (await vendor.http.get("/_faults")).json()["faults"]
    assert [fault["fault"] for fault in listed] == list(FAULTS)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=list(FAULTS))
def test_every_fault_says_in_one_way_what_it_does(fault: object) -> None:
    ways = [fault.reply, fault.breaks, fault.edit, fault.run]
    assert sum(way is not None for way in ways) == 1
    assert fault.description
    assert set(fault.default_at) <= set(fault.at)
