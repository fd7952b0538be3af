"""The job store that commands act on directly: that of JOBS_URL, or else that of `serve`."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from io import StringIO

from functions.cli.errors import SetupError
from functions.cli.folders import STATE
from functions.cli.settings import stored_config
from shared import wiring
from shared.log import Log
from shared.runtime.dependencies import Deps
from shared.store_errors import StoreError


@asynccontextmanager
async def open_store(environ: Mapping[str, str], *, live: bool) -> AsyncIterator[Deps]:
    """Open the store of JOBS_URL, or else that of `serve` (`live`: of `serve --live`); close it at the end."""
    deps = wiring.dependencies(stored_config(environ, STATE, live=live), Log(StringIO()))
    try:
        yield deps
    except StoreError as error:
        raise SetupError(f"The job store does not respond: {error}") from error
    finally:
        await deps.store.close()
