"""The frame of our HTML pages, and the headers that keep everything else out of them."""

from collections.abc import Iterable, Mapping

from starlette.responses import HTMLResponse

# Images may be redirected to Cloud Storage. No scripts; of styles only the inline one below.
POLICY = (
    "default-src 'none'; img-src 'self' https:; style-src 'unsafe-inline'; base-uri 'none'; form-action {targets}; "
    "frame-ancestors 'none'"
)

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">{head}
<title>{title}</title>
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 48rem; margin: 2rem auto; padding: 0 1rem }}
img, textarea {{ max-width: 100%; height: auto }}
</style>
</head>
<body>
<h1>{title}</h1>
{body}
</body>
</html>
"""


def html_page(
    title: str,
    body: str,
    *,
    status: int = 200,
    head: str = "",
    form_targets: Iterable[str] = (),
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """Return a page. `body` and `head`: HTML, escaped by the caller; `form_targets`: origins that forms may lead to.

    A page with a form tells its own origin who sends the form: without a referrer, browsers send `Origin: null`.
    """
    targets = " ".join(form_targets) or "'none'"
    security = {
        "Content-Security-Policy": POLICY.format(targets=targets),
        "Referrer-Policy": "same-origin" if form_targets else "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
        "Vary": "Accept",
    }
    text = PAGE.format(title=title, body=body, head=f"\n{head}" if head else "")
    return HTMLResponse(text, status, {**security, **(headers or {})})
