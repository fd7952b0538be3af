"""The HTML page of a job, for browsers and for forms without JavaScript. It reloads itself until the job is final."""

from html import escape

from starlette.responses import HTMLResponse

from shared.job import Job, Status

REFRESH_SECONDS = 3
# Allow only the images, which may be redirected to Cloud Storage, and the inline style below.
POLICY = (
    "default-src 'none'; img-src 'self' https:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
TITLES = {Status.SUCCEEDED: "Your image", Status.FAILED: "No image", Status.CANCELED: "No image"}
UNFINISHED_TITLE = "Your image is being generated"

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">{refresh}
<title>{title}</title>
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 48rem; margin: 2rem auto; padding: 0 1rem }}
img {{ max-width: 100%; height: auto }}
</style>
</head>
<body>
<h1>{title}</h1>
<p role="status">{message}</p>
{images}
</body>
</html>
"""


def page(job: Job, message: str, headers: dict[str, str]) -> HTMLResponse:
    """Return the page of a job. `message`: that of the public job."""
    refresh = "" if job.finished else f'\n<meta http-equiv="refresh" content="{REFRESH_SECONDS}">'
    numbers = [image.index for image in job.images if image.name] if job.finished else []
    images = "\n".join(f'<p><img src="/jobs/{job.id}/image/{n}" alt="{escape(job.prompt)}"></p>' for n in numbers)
    title = TITLES.get(job.status, UNFINISHED_TITLE)
    html = PAGE.format(refresh=refresh, title=title, message=escape(message), images=images)
    security = {
        "Content-Security-Policy": POLICY,
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    return HTMLResponse(html, headers={**security, **headers})
