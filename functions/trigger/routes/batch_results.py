"""`GET /batches/{id}/results.csv`: the rows of a batch with their images, for a spreadsheet."""

import asyncio
import csv
import io
from collections.abc import Iterator, Sequence
from itertools import islice

from starlette.requests import Request
from starlette.responses import Response

from shared.batches import MAX_ROWS
from shared.listed_job import ListedJob
from shared.ports import JobQuery, JobStore
from shared.public_job import public_job
from shared.spending.money import dollars
from shared.workflows import DEFAULT, OVERRIDES

from ..auth.authorize import is_owner
from ..base_url import base_url
from ..context import Context
from ..parsing.fields import FIELDS
from ..result_table import COLUMNS, FILE, escaped, normalized
from .batches import find_batch

AT_ONCE = 100  # jobs in one query
MAX_OWN = 1_000  # columns of metadata: each of a thousand rows may have twenty names of its own
BYTE_ORDER_MARK = "\ufeff"  # without it Excel reads UTF-8 as Windows-1252
# Names that a column of the caller's own must not have: sent again, the table would mean something else.
_FIELDS = [name for name, field in FIELDS.items() if not field.browser_only]
TAKEN = frozenset(normalized(name) for name in (*COLUMNS, FILE, "image", *_FIELDS, *OVERRIDES))


async def batch_results(request: Request, context: Context, batch_id: str) -> Response:
    """Return a CSV file: UTF-8 with a byte order mark, a line for each stored row in the order of the upload."""
    batch, caller = await find_batch(request, batch_id, context)
    jobs = await _jobs(batch.id, context.deps.store)
    owned = is_owner(batch, caller)
    lines = _lines(jobs, base_url(request, context.deps.config), owned=owned)
    headers = {
        "Content-Disposition": f'attachment; filename="results-{batch.id[:6]}.csv"',
        "Cache-Control": "private, no-store",
        "X-Content-Type-Options": "nosniff",
    }
    content = await asyncio.to_thread(_csv, lines)  # of 1,000 long prompts it takes half a second
    return Response(content, media_type="text/csv", headers=headers)


async def _jobs(batch_id: str, store: JobStore) -> list[ListedJob]:
    """All jobs of a batch by row."""
    jobs: list[ListedJob] = []
    before = None
    while len(jobs) < MAX_ROWS:
        found = await store.list_jobs(JobQuery(limit=AT_ONCE, batch_id=batch_id, before=before))
        jobs += [job for job in found if not job.erased_at]
        if len(found) < AT_ONCE:
            break
        before = (found[-1].created_at, found[-1].id)
    return sorted(jobs, key=lambda job: job.batch_row or 0)


def _lines(jobs: Sequence[ListedJob], url: str, *, owned: bool) -> Iterator[list[str]]:
    """The header and a line for each job. What its owner has sent comes last, for the owner only."""
    names = dict.fromkeys(name for job in jobs for name in job.metadata)
    own = list(islice(names, MAX_OWN)) if owned else []
    workflow = ["workflow"] if owned and any(job.workflow != DEFAULT for job in jobs) else []
    yield [*COLUMNS, *workflow, *(f"metadata.{name}" if normalized(name) in TAKEN else name for name in own)]
    for job in jobs:
        public = public_job(job, url, owner=owned)
        values = public | {
            "row": job.batch_row,
            "jobId": job.id,
            "imageUrl": public["imageUrl"] if public["imageCount"] else None,
            "imageUrls": " ".join(public["imageUrls"]),
            "cost": dollars(job.cost.micros) if job.cost else None,
        }
        yield [*(_text(values[name]) for name in (*COLUMNS, *workflow)), *(job.metadata.get(name, "") for name in own)]


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _csv(lines: Iterator[Sequence[str]]) -> bytes:
    file = io.StringIO()
    csv.writer(file).writerows([escaped(cell) for cell in line] for line in lines)
    return (BYTE_ORDER_MARK + file.getvalue()).encode()
