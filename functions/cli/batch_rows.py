"""The rows of results.csv as they are written: of a local batch, without the URLs of its trigger."""

import re

from functions.cli.batch_client import Row

AGAIN = "To run it again, send a file with only this row."


def without_urls(row: Row, trigger: str) -> dict[str, str]:
    """Return a row without its image URLs, and its hint without the sentences that name `trigger`, which is gone."""
    kept = {name: cell for name, cell in row.items() if name not in ("imageUrl", "imageUrls")}
    sentences = re.split(r"(?<=\.) ", row.get("errorHint", ""))
    lasting = [one for one in sentences if trigger not in one]
    return kept if lasting == sentences else {**kept, "errorHint": " ".join([*lasting, AGAIN])}
