"""Names of image files, as people save them: from the prompt, if anyone who has the URL may read it.

A signed URL and the access logs of the bucket contain the name, so the name of a private job's image says nothing.
"""

import re
import unicodedata
from urllib.parse import quote

from shared.job import Job

STEM_LIMIT = 60  # characters


def content_disposition(job_id: str, job: Job | None, name: str, *, download: bool = False) -> str:
    """Return the header for the image `name` of the store: `inline; filename="a-red-fox-26bee1.png"`.

    `job`: None if its document has expired. The name ends with the job's id, shortened, and has the number of the
    image if it is not the first. ASCII, and UTF-8 beside it: https://www.rfc-editor.org/rfc/rfc6266
    """
    index, _, extension = name.rpartition("/")[2].partition(".")
    number = "" if index == "0" else f"-{int(index) + 1}"
    prompt = "" if job is None or job.private else unicodedata.normalize("NFC", job.prompt)
    ascii_prompt = unicodedata.normalize("NFKD", prompt).encode("ascii", "ignore").decode()
    plain, full = (f"{_stem(text)}{number}-{job_id[:6]}.{extension}" for text in (ascii_prompt, prompt))
    kind = "attachment" if download else "inline"
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(full, safe='')}"


def _stem(prompt: str) -> str:
    """The words of a prompt, in lower case, cut between them where it has spaces."""
    words = "-".join(re.findall(r"[^\W_]+", prompt[: 4 * STEM_LIMIT].lower()))
    if len(words) > STEM_LIMIT:
        words = words[: STEM_LIMIT + 1].rpartition("-")[0] or words[:STEM_LIMIT]
    return words or "image"
