"""A job store that loses one of its responses."""

from typing import Any

from shared.ports import JobStore
from shared.store_errors import StoreUnavailable


class LossyJobs:
    """Executes every call. The response of one call of the method `call` is lost: the first, or the one after `times`.

    A lost response looks like an outage to the caller: StoreUnavailable.
    """

    def __init__(self, inner: JobStore, call: str, times: int = 0) -> None:
        self._inner, self._call, self._times = inner, call, times

    def __getattr__(self, name: str) -> Any:
        return self._call_and_lose if name == self._call else getattr(self._inner, name)

    async def _call_and_lose(self, *args: Any) -> Any:
        result = await getattr(self._inner, self._call)(*args)
        self._times -= 1
        if self._times == -1:
            raise StoreUnavailable("the response was lost")
        return result
