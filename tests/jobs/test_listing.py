"""The contract of `JobStore.list_jobs`, tested with both stores."""

import dataclasses
import itertools
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from shared.error_codes import Charged, ErrorCode
from shared.job import Job
from shared.job_parts import Image, JobError, Step
from shared.job_states import Status
from shared.listed_job import ListedJob
from shared.ports import JobQuery, JobStore
from shared.public_job import public_job
from shared.spending.money import Cost, CostSource
from shared.spending.usage import Tally, UsageDay, UsageVersions
from shared.store_errors import Conflict
from tests.jobs.places import NOW, Place, a_job

SECOND = timedelta(seconds=1)
RICH = {
    "input": json.dumps({"x": "x" * 100_000}),
    "last_response": "{}",
    "possible_duplicate": True,
    "alt_text": "a fox in the snow",
    "metadata": {"order": "4711"},
    "estimated_cost": Cost(micros=130_000, source=CostSource.PRICE),
    "steps": (Step(label="Nano", status="RUNNING", progress=0.5),),
    "images": (Image(index=0, source_url="https://cdn.example/1.png", place="gen-1/0", gone_since=NOW),),
}
JOBS = (
    a_job(),
    a_job(**RICH, status=Status.COPYING, execution_id="exec_1", started_at=NOW, copying_since=NOW, copy_tries=2),
    a_job(**RICH, outcome_unknown=True, status=Status.TRIGGERING, credits_used=1.5, request_id="req_1"),
    a_job(queue_at=NOW, give_up_at=NOW, due_at=NOW, place=NOW, wait_reason=ErrorCode.KEY_REFUSED),
    a_job(status=Status.QUEUED).failed(JobError.of(ErrorCode.MODERATION, charged=Charged.NO), NOW),
)
CALLERS = ("zap", "form:https://a.example", None)
STATUSES = (Status.QUEUED, Status.SUCCEEDED)
WORKFLOWS = ("default", "pro")


async def ids(store: JobStore, limit: int = 100, **wanted: Any) -> list[str]:
    return [job.id for job in await store.list_jobs(JobQuery(limit=limit, **wanted))]


async def test_no_jobs_are_an_empty_list(store: JobStore):
    assert await ids(store) == []


async def test_jobs_are_listed_newest_first_and_by_id_at_the_same_time(store: JobStore):
    ages = {"b": 0, "a": 0, "c": 0, "old": 3600 * 24 * 400, "just before": 1e-6, "new": -1}
    for job_id, age in ages.items():
        await store.create(a_job(job_id, created_at=NOW - timedelta(seconds=age)))
    assert await ids(store) == ["new", "c", "b", "a", "just before", "old"]
    assert await ids(store, limit=3) == ["new", "c", "b"]
    assert await ids(store, limit=0) == []


@pytest.mark.parametrize("number", range(len(JOBS)))
async def test_a_listed_job_has_what_is_shown_and_nothing_that_is_only_sent(store: JobStore, number: int):
    created = await store.create(JOBS[number])
    (listed,) = await store.list_jobs(JobQuery(limit=1))
    names = [item.name for item in dataclasses.fields(ListedJob)]
    assert [getattr(listed, name) for name in names] == [getattr(created, name) for name in names]
    assert (listed.finished, listed.held) == (created.finished, created.held)
    assert not {"input", "last_response", "revision"} & set(names), "a listed job is small, and cannot be saved"
    shown = (public_job(job, "https://trigger.example", owner=True) for job in (created, listed))
    assert json.dumps(next(shown)) == json.dumps(next(shown))


async def test_pages_follow_each_other_without_a_gap_or_a_repeat(store: JobStore):
    # Three jobs at each moment: pages end in the middle of one.
    for number in range(24):
        await store.create(a_job(f"job{number:02}", created_at=NOW - number // 3 * SECOND))
    whole, pages, before = await ids(store), [], None
    for size in (5, 5, 5, 5, 4):
        page = await store.list_jobs(JobQuery(limit=5, before=before))
        assert len(page) == size
        pages += [job.id for job in page]
        before = page[-1].created_at, page[-1].id
    assert pages == whole
    assert await ids(store, before=before) == []


async def test_a_job_created_between_two_pages_shifts_nothing(store: JobStore):
    for number in range(4):
        await store.create(a_job(f"job{number}", created_at=NOW - number * SECOND))
    first = await store.list_jobs(JobQuery(limit=2))
    await store.create(a_job("newest", created_at=NOW + SECOND))
    assert await ids(store, before=(first[-1].created_at, first[-1].id)) == ["job2", "job3"]


async def test_a_page_may_start_at_a_deleted_job(store: JobStore):
    for job_id in ("a", "c"):
        await store.create(a_job(job_id))
    assert await ids(store, before=(NOW, "b")) == ["a"]
    assert await ids(store, before=(NOW, "c")) == ["a"]
    assert await ids(store, before=(NOW, "a")) == []
    assert await ids(store, before=(NOW + SECOND, "a")) == ["c", "a"]


async def test_since_is_inclusive_to_the_microsecond(store: JobStore):
    for job_id, offset in (("before", -1e-6), ("at", 0), ("after", 1e-6)):
        await store.create(a_job(job_id, created_at=NOW + timedelta(seconds=offset)))
    assert await ids(store, since=NOW) == ["after", "at"]
    assert await ids(store, since=NOW.astimezone(timezone(9 * 3600 * SECOND))) == ["after", "at"]
    assert await ids(store, since=datetime(1, 1, 1, tzinfo=UTC)) == ["after", "at", "before"]
    assert await ids(store, since=datetime(9999, 12, 31, tzinfo=UTC)) == []
    assert await ids(store, since=NOW, before=(NOW + SECOND, "x"), limit=1) == ["after"]
    assert await ids(store, since=NOW, before=(NOW, "at")) == []


@pytest.fixture
async def mixed(store: JobStore) -> list[Job]:
    """Create every combination twice, in mixed order; return them newest first."""
    kinds = itertools.product(range(2), WORKFLOWS, STATUSES, CALLERS)
    jobs = [
        a_job(f"job{n:02}", caller=caller, status=status, workflow=workflow, created_at=NOW - n * SECOND)
        for n, (_, workflow, status, caller) in enumerate(kinds)
    ]
    await store.create_all(jobs)
    return jobs


@pytest.mark.parametrize("since", [None, NOW - 15 * SECOND])
@pytest.mark.parametrize("before", [None, (NOW - 3 * SECOND, "job03")])
async def test_all_filters_can_be_combined(store: JobStore, mixed: list[Job], since: Any, before: Any):
    for caller, status, workflow in itertools.product((None, "zap", "other"), (None, *STATUSES), (None, *WORKFLOWS)):
        expected = [
            job.id
            for job in mixed
            if caller in (None, job.caller)
            and status in (None, job.status)
            and workflow in (None, job.workflow)
            and (since is None or job.created_at >= since)
            and (before is None or (job.created_at, job.id) < before)
        ]
        wanted = {"caller": caller, "status": status, "workflow": workflow, "since": since, "before": before}
        assert await ids(store, **wanted) == expected
        assert await ids(store, limit=2, **wanted) == expected[:2]


async def test_an_unreadable_document_does_not_end_the_list(
    place: Place, store: JobStore, capsys: pytest.CaptureFixture[str]
):
    names = ("whole", "corrupt", "broken", "newest")
    await store.create_all([a_job(name, created_at=NOW + n * SECOND) for n, name in enumerate(names)])
    await place.put("jobs/broken", status="from tomorrow")
    await place.put("jobs/corrupt", images=["no map"], prompt=None)
    assert await ids(store, limit=2) == ["newest", "whole"]
    assert await ids(store, limit=2, before=(NOW + 3 * SECOND, "newest")) == ["whole"]
    assert {json.loads(line)["jobId"] for line in capsys.readouterr().out.splitlines()} == {"broken", "corrupt"}


@pytest.mark.parametrize("wanted", [{"since": NOW.replace(tzinfo=None)}, {"before": (NOW.replace(tzinfo=None), "a")}])
async def test_a_naive_time_is_refused(store: JobStore, wanted: dict[str, Any]):
    with pytest.raises(ValueError, match="aware"):
        await ids(store, **wanted)


# --- the usage -----------------------------------------------------------------------------------------------------


async def test_the_usage_reads_what_it_needs_of_the_same_jobs(store: JobStore):
    await store.create(a_job("1" * 32, created_at=NOW, caller="zap"))
    error = JobError.of(ErrorCode.TIMED_OUT, charged=Charged.UNKNOWN)
    image = Image(index=0, source_url="https://cdn.example/0", name="jobs/2/1/0.png")
    failed = a_job("2" * 32, created_at=NOW + SECOND, status=Status.FAILED, error=error, images=(image,))
    await store.create(failed)
    await store.create(a_job("3" * 32, created_at=NOW + 60 * SECOND))
    rows = await store.usage_rows(JobQuery(limit=9, since=NOW, before=(NOW + 60 * SECOND, "0")))
    assert [(row.id[0], row.caller, row.images, row.charged, row.settled) for row in rows] == [
        ("2", None, 1, Charged.UNKNOWN, False),
        ("1", "zap", 0, None, False),
    ]
    assert await store.usage_rows(JobQuery(limit=9, caller="shop")) == []


async def test_the_versions_of_days_are_changed_only_as_they_were_read(store: JobStore):
    before = await store.read_usage_versions()
    assert before == UsageVersions()
    await store.save_usage_versions(before.plus("2026-03-01"))
    with pytest.raises(Conflict):
        await store.save_usage_versions(before.plus("2026-03-02"))
    after = await store.read_usage_versions()
    await store.save_usage_versions(after.plus("2026-03-01").plus("2026-03-02"))
    assert (await store.read_usage_versions()).days == {"2026-03-01": 2, "2026-03-02": 1}
    assert [after.version(day) for day in ("2026-03-01", "2026-03-02")] == ["2026-03-01.1", "2026-03-02"]


async def test_the_usage_of_a_day_is_stored_once(store: JobStore):
    cost = Cost(micros=130_000, source=CostSource.CREDITS)
    tally = Tally(jobs=3, images=2, cost=cost, failed_charged=1, failed_unknown=1)
    usage = UsageDay("2026-03-01", {("zap", "default"): tally, (None, "pro"): Tally(jobs=1)})
    assert await store.read_usage(usage.day) is None
    await store.save_usage(usage)
    await store.save_usage(UsageDay(usage.day, {}))
    assert await store.read_usage(usage.day) == usage
    assert await store.read_usage("2026-03-02") is None
