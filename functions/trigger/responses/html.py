"""Our HTML pages: the blocks of pages/page.html, filled in, and the headers that keep everything else out of them."""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from html import escape
from string import Template

from starlette.responses import HTMLResponse

from .assets import PAGES, asset_url, imported

# Images may be redirected to Cloud Storage, and the preview of a file that is to be sent is a blob.
POLICY = {
    "default-src": ["'none'"],
    "style-src": ["'self'"],
    "img-src": ["'self'", "https://storage.googleapis.com", "data:", "blob:"],
    "base-uri": ["'none'"],
    "frame-ancestors": ["'none'"],
}
SCRIPTED = {"script-src": ["'self'"], "connect-src": ["'self'"]}
TURNSTILE = {
    "script-src": ["'self'", "https://challenges.cloudflare.com"],
    "frame-src": ["https://challenges.cloudflare.com"],
}

# A block ends where the next one begins.
_BLOCK = re.compile(r"^<!-- block (\w+) -->\n(.*?)\n+(?=<!-- block |\Z)", re.DOTALL | re.MULTILINE)


class Html(str):
    """Text that is HTML. All other text is escaped when a block is filled in."""

    __slots__ = ()


def fill(block: str, **values: object) -> Html:
    """Return the block with each `$name` replaced by its value, escaped unless it is Html."""
    texts = {name: value if isinstance(value, Html) else escape(str(value)) for name, value in values.items()}
    return Html(_blocks()[block].substitute(texts))


def join(parts: Iterable[Html]) -> Html:
    """Return the HTML of all parts."""
    return Html("\n".join(parts))


@cache
def _blocks() -> dict[str, Template]:
    """Read the file at the first page: most requests need none."""
    text = (PAGES / "page.html").read_text(encoding="utf-8")
    return {name: Template(block) for name, block in _BLOCK.findall(text)}


def html_page(
    title: str,
    body: Html,
    *,
    status: int = 200,
    head: Html | None = None,
    module: str | None = None,
    turnstile: bool = False,
    form_targets: Iterable[str] = (),
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """Return a page. `module`: its script, `turnstile`: with that of Cloudflare; `form_targets`: where forms may lead.

    A page with a form tells its own origin who sends the form: without a referrer, browsers send `Origin: null`.
    """
    text = fill(
        "frame",
        title=title,
        stylesheet=asset_url("page.css"),
        head=Html("".join(f"\n{part}" for part in (head, *_scripts(module)) if part)),
        body=body,
    )
    targets = list(form_targets)
    policy = POLICY | (SCRIPTED if module else {}) | (TURNSTILE if turnstile else {})
    policy["form-action"] = targets or ["'none'"]
    security = {
        "Content-Security-Policy": "; ".join(f"{name} {' '.join(sources)}" for name, sources in sorted(policy.items())),
        "Referrer-Policy": "same-origin" if targets else "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
        "Vary": "Accept",
    }
    return HTMLResponse(text, status, {**security, **(headers or {})})


def _scripts(module: str | None) -> Iterator[Html]:
    """The module of a page and all that it needs: browsers get them together, not one after those that import it."""
    if module:
        yield fill("script", url=asset_url(module))
        yield from (fill("preload", url=asset_url(name)) for name in imported(module))
