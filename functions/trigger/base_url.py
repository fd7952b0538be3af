"""The URL at which a sender has reached this function: what the URLs in responses and messages begin with."""

from starlette.requests import Request

from shared.config import Config

MAX_HOST = 261  # characters of a name with its port: what is longer is none, and would be stored with each job


def base_url(request: Request, config: Config) -> str:
    """Return PUBLIC_URL, or the URL of the request, with https if a proxy reports it."""
    if config.public_url:
        return config.public_url
    scheme = "https" if request.headers.get("x-forwarded-proto") == "https" else request.scope.get("scheme", "http")
    host = request.headers.get("host") or request.url.netloc
    return f"{scheme}://{host[:MAX_HOST]}"
