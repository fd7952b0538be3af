"""Uploads of rows, and what parsing makes of them. No server, no store."""

from typing import Any, cast

import pytest
from starlette.requests import Request

from functions.trigger.auth.authenticate import Authenticator
from functions.trigger.auth.caller import Caller
from functions.trigger.parsing.upload_pipeline import ParsedUpload, parse_upload
from shared import config
from shared.problems import Problem
from tests.trigger.posting import BEARER, SETTINGS, TOKEN, AlwaysCaller, any_fields, no_fields, sent

URL = "https://images.test/batches"


async def parsed(
    request: Request, caller: Caller = TOKEN, fields: Any = no_fields, check: Any = any_fields
) -> ParsedUpload:
    authenticator = cast("Authenticator", AlwaysCaller(caller))
    return await parse_upload(request, authenticator, config.load(SETTINGS), check, fields)


def file(content: bytes, url: str = URL, content_type: str = "text/csv", **headers: str) -> Request:
    return sent(url, content=content, headers={**BEARER, "Content-Type": content_type, **headers})


def rows(upload: ParsedUpload) -> dict[int, str]:
    return {row.key.index or 0: row.prompt for row in upload.batch.rows if row.key}


async def errors(request: Request, caller: Caller = TOKEN, fields: Any = no_fields) -> list[tuple[int, str | None]]:
    """Row and field of each error."""
    with pytest.raises(Problem) as raised:
        await parsed(request, caller, fields)
    assert raised.value.response().status_code == 422
    return [(error["row"], error["field"]) for error in raised.value.members["errors"]]
