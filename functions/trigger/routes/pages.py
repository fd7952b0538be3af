"""The HTML page of a job, for browsers and for forms without JavaScript. It reloads itself until the job is final."""

from html import escape

from starlette.responses import HTMLResponse

from shared.job import Job
from shared.job_states import Status

from ..responses.html import html_page

REFRESH_SECONDS = 3
TITLES = {Status.SUCCEEDED: "Your image", Status.FAILED: "No image", Status.CANCELED: "No image"}
UNFINISHED_TITLE = "Your image is being generated"


def page(job: Job, message: str) -> HTMLResponse:
    """Return the page of a job. `message`: for visitors."""
    refresh = "" if job.finished else f'<meta http-equiv="refresh" content="{REFRESH_SECONDS}">'
    numbers = [image.index for image in job.images if image.name] if job.finished else []
    images = "\n".join(f'<p><img src="/jobs/{job.id}/image/{n}" alt="{escape(job.prompt)}"></p>' for n in numbers)
    body = f'<p role="status">{escape(message)}</p>\n{images}'
    return html_page(TITLES.get(job.status, UNFINISHED_TITLE), body, head=refresh)
