"""Responses of a poll, for tests that script them."""

from typing import Any

URL = "https://wireflow.test/cdn/exec_00000001/0.png"  # of the first image of the first run


def run_response(status: str, *urls: str, **more: Any) -> dict[str, Any]:
    """Return the response of a poll, in the flat shape."""
    outputs = {"images": [{"url": url} for url in urls]} if urls else None
    return {
        "status": status,
        "error": None,
        "nodeResults": {"nodeRuns": [{"status": status, "output": outputs}]},
        **more,
    }
