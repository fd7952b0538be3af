"""The indexes that the queries of shared/jobs/firestore.py need, derived from the queries that it sends.

https://cloud.google.com/firestore/native/docs/query-data/index-overview
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from itertools import product
from typing import Any

from google.auth.credentials import AnonymousCredentials
from google.cloud.firestore import AsyncClient

from shared.job_states import Status
from shared.jobs.firestore import FirestoreJobs
from shared.ports import JobQuery
from tests.terraform.mocked import ROOT

Index = tuple[tuple[str, str], ...]  # field and order, of each field

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FILTERS: tuple[dict[str, Any], ...] = tuple(
    dict(parts)
    for parts in product(
        [("caller", None), ("caller", "zap")],
        [("status", None), ("status", Status.QUEUED)],
        [("workflow", None), ("workflow", "pro")],
        [("batch_id", None), ("batch_id", "b")],
        [("since", None), ("since", NOW)],
        [("before", None), ("before", (NOW, "x"))],
    )
)
# Each method of the store with a query → the ways to call it.
CALLS: dict[str, list[Callable[[Any], Awaitable[Any]]]] = {
    "due": [
        lambda jobs: jobs.due(NOW, 1),
        lambda jobs: jobs.due(NOW, 1, NOW),
        lambda jobs: jobs.due(NOW, 1, in_flight=True),
        lambda jobs: jobs.due(NOW, 1, NOW, in_flight=True),
    ],
    "queue_head": [lambda jobs: jobs.queue_head(NOW, 1), lambda jobs: jobs.queue_head(NOW, 1, NOW)],
    "with_execution": [lambda jobs: jobs.with_execution("x", 1)],
    "count_ahead": [lambda jobs: jobs.count_ahead(NOW)],
    "count_queued": [lambda jobs: jobs.count_queued("zap", 1)],
    "list_jobs": [lambda jobs, given=given: jobs.list_jobs(JobQuery(limit=1, **given)) for given in FILTERS],
    "batch_rows": [lambda jobs: jobs.batch_rows("b")],
    "usage_rows": [lambda jobs, given=given: jobs.usage_rows(JobQuery(limit=1, **given)) for given in FILTERS],
    "hooks_of": [lambda jobs: jobs.hooks_of(None), lambda jobs: jobs.hooks_of("zap")],
    "active_hooks": [lambda jobs: jobs.active_hooks()],
}


class Recorder:
    """A database that records queries and finds nothing."""

    def __init__(self) -> None:
        self.client = AsyncClient(project="example-project", credentials=AnonymousCredentials())
        self.queries: list[Any] = []

    async def rows(self, query: Callable[[AsyncClient], Any], _limit: int) -> list[Any]:
        """Record a query."""
        self.queries.append(query(self.client)._to_protobuf())
        return []

    async def count(self, query: Callable[[AsyncClient], Any], _limit: int | None = None) -> int:
        """Record the query that is counted: its index serves the count, too."""
        self.queries.append(query(self.client)._to_protobuf())
        return 0


def methods_with_a_query() -> set[str]:
    """The methods of the store that query its database."""
    text = (ROOT / "shared/jobs/firestore.py").read_text()
    methods = re.findall(r"^    async def (\w+)\((.*?)(?=^    async def |^def |\Z)", text, re.M | re.S)
    return {name for name, body in methods if re.search(r"_database\.(rows|count)\b", body)}


@cache
def needed() -> frozenset[Index]:
    """The indexes on the collection `jobs` without which a query would fail."""

    async def record() -> list[Any]:
        jobs, recorder = FirestoreJobs("example-project"), Recorder()
        jobs._database = recorder  # type: ignore[assignment]
        for call in (call for calls in CALLS.values() for call in calls):
            await call(jobs)
        return recorder.queries

    queries = [query for query in asyncio.run(record()) if query.from_[0].collection_id == "jobs"]
    assert queries
    return frozenset(index for query in queries for index in _indexes(query))


def _indexes(query: Any) -> Iterator[Index]:
    """Yield the indexes of one query.

    Firestore merges the indexes of several equality filters, if each of them ends in the order of the query: so each
    needs one, alone if there is no order. A filter by `in` is one equality for each value.
    https://cloud.google.com/firestore/native/docs/query-data/index-overview#taking_advantage_of_index_merging
    """
    where = query.where
    filters = [part.field_filter for part in where.composite_filter.filters] or [where.field_filter] * bool(where)
    equal = {part.field.field_path for part in filters if part.op.name in {"EQUAL", "IN"}}
    ranges = {part.field.field_path: "ASCENDING" for part in filters if part.op.name not in {"EQUAL", "IN"}}
    order = {part.field.field_path: part.direction.name for part in query.order_by} or ranges
    ending = tuple((field, direction) for field, direction in order.items() if field != "__name__")
    assert ranges.keys() <= order.keys()
    if ending and not equal:
        yield ending
    for field in equal:
        yield ((field, "ASCENDING"), *ending)
