"""The query parameters of requests that change something, apart from those that create jobs (see `defaults`)."""

from collections.abc import Collection

from starlette.requests import Request

from shared.problems import Problem

LONGEST = 80  # characters of a name that are shown


def check_parameters(request: Request, known: Collection[str], in_body: Collection[str]) -> None:
    """Raise Problem 422 for a query parameter that is not known: with `dryRun` nothing must be paid or erased.

    `in_body`: the fields of the body. Authentication rejects a token in the URL and says to replace it.
    """
    for name in request.query_params:
        if name in known or name.lower() == "token":
            continue
        remedy = f"Send {name} in the body" if name in in_body else _remedy(known)
        shown = name[:LONGEST]
        raise Problem.wrong(f"This request has no query parameter {shown}, so nothing was done. {remedy}.", shown)


def _remedy(known: Collection[str]) -> str:
    return f"Remove it, or send {' or '.join(known)}" if known else "Remove it"
