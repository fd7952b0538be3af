"""`GET /usage`: jobs, images, and costs of the caller by caller, workflow, or day. Admins see those of all callers."""

import re
from datetime import date, timedelta

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from shared.problems import Problem
from shared.spending.usage import GroupBy
from shared.steps.usage import MAX_DAYS, Period, read_usage

from ..auth.authorize import check_may_list
from ..context import Context

DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


async def usage(request: Request, context: Context) -> Response:
    """Handle `GET /usage?groupBy=&from=&to=`; the default is this month by day."""
    caller = check_may_list(await context.authenticator.reader(request), context.deps.config.auth)
    parameters, today = request.query_params, context.deps.clock.now().date()
    group_by = parameters.get("groupBy") or GroupBy.DAY
    if group_by not in set(GroupBy):
        raise Problem("invalid_field", f"groupBy must be one of {', '.join(GroupBy)}.", field="groupBy")
    last = _parse_date("to", parameters.get("to")) or today
    period = Period(_parse_date("from", parameters.get("from")) or last.replace(day=1), last)
    if not timedelta() <= period.last - period.first < timedelta(days=MAX_DAYS):
        raise Problem(
            "invalid_field", f"from must not be after to, and at most {MAX_DAYS - 1} days before it.", field="from"
        )
    content = await read_usage(period, GroupBy(group_by), None if caller.lists_all else caller.name, context.deps)
    return JSONResponse(content, headers={"Cache-Control": "private, no-store"})


def _parse_date(name: str, text: str | None) -> date | None:
    if not text:
        return None
    try:
        parsed = date.fromisoformat(text) if DATE.fullmatch(text) else None
    except ValueError:
        parsed = None
    if parsed is None:
        raise Problem("invalid_field", f"{name} must be a date such as 2026-01-31.", field=name)
    return parsed
