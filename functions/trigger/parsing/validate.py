"""From a request's fields to a submission: everything that can be checked before a job exists."""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from shared.config import Config
from shared.idempotency import IdempotencyKey, fingerprint
from shared.problems import Problem
from shared.submission import Submission
from shared.workflows import IMAGES

from ..auth.caller import Caller
from .fields import FIELDS, is_blank, is_ours, read_field
from .json_body import check_unicode
from .near_misses import check_metadata_names, check_names, missing_prompt
from .read import KIB
from .urls import check_callback_url, check_image_url, check_redirect_url

_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
# Of the fields for Wireflow: `1e15` is longer when it is serialized again, and a document may have 1 MiB.
STORED_LIMIT = 900 * KIB


def validate(
    fields: Mapping[str, Any],
    files: Mapping[str, bytes],
    key: IdempotencyKey | None,
    caller: Caller,
    config: Config,
    base_url: str | None = None,
    declared: Collection[str] | None = None,
) -> Submission:
    """Return the submission of one request. `declared`: the names of the workflow's inputs, None if they are not known.

    Problem 413 or 422 for the first invalid field. CPU-bound, as `decode`.
    """
    if is_blank(fields.get("prompt")):
        raise missing_prompt(fields)
    check_unicode(fields)
    check_names(fields, declared)
    check_metadata_names(fields, declared)
    values = {
        field.attribute: read_field(name, fields)
        for name, field in FIELDS.items()
        if field.attribute and (name in fields or field.required)
    }
    read_field("onFailure", fields)
    if "then" in fields and caller.browser:  # rate limits of forms count requests, and each would be paid twice
        raise Problem.wrong("The field `then` is not accepted from forms. Remove it.", "then")
    _check_callbacks(values.get("callback_urls", ()), fields, caller, config)
    _check_input_images(fields, files, config)
    if "redirectUrl" in fields:
        check_redirect_url(read_field("redirectUrl", fields), config.auth.origins)
    return Submission(
        **values,
        files=files,
        input=_serialize(wireflow_fields(fields, caller)),
        fingerprint=_fingerprint(fields, files),
        base_url=base_url,
        key=key,
        caller=caller.name,
        private=caller.private,
        admin=caller.admin,
    )


def wireflow_fields(fields: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
    """Return the fields that are not ours, which go to Wireflow."""
    return {name: value for name, value in fields.items() if not is_ours(name, browser=caller.browser)}


def _check_callbacks(urls: Iterable[str], fields: Mapping[str, Any], caller: Caller, config: Config) -> None:
    """A visitor must not make us call a URL of its choice."""
    for name in ("callbackUrl", "callbackFormat"):
        if caller.browser and name in fields:
            raise Problem.wrong(
                f"{name} is not accepted from forms. Remove it, or send the request with a token.", name
            )
    for url in urls:
        check_callback_url("callbackUrl", url, config)


def _check_input_images(fields: Mapping[str, Any], files: Mapping[str, bytes], config: Config) -> None:
    for name in fields.keys() & files.keys():
        raise Problem.wrong(f"{name} was sent both as a file and as text. Send one of them.", name)
    given = [name for name in IMAGES if name in fields or name in files]
    if "fromJob" in fields and "image1" in given:
        raise Problem.wrong("image1 and fromJob both name an input image. Send one of them.", "fromJob")
    if "fromImage" in fields and "fromJob" not in fields:
        raise Problem.wrong("fromImage needs fromJob, the job that has the image.", "fromImage")
    for name, expected in zip(["image1", *given] if "fromJob" in fields else given, IMAGES, strict=False):
        if name != expected:
            raise Problem.wrong(f"{name} needs {expected} before it.", name)
    for name in fields.keys() & set(given):
        check_image_url(name, fields[name], config)


def _fingerprint(fields: Mapping[str, Any], files: Mapping[str, bytes]) -> str:
    """What two requests with the same key must have in common. Stored with the job: it must never change."""
    compared = {name: value for name, value in fields.items() if name not in FIELDS or FIELDS[name].compared}
    for name, content in files.items():
        compared[name] = {"sha256": hashlib.sha256(content).hexdigest()}
    return fingerprint(compared)


def _serialize(fields: Mapping[str, Any]) -> str:
    text = _COMPACT.encode(fields)
    if len(text.encode()) > STORED_LIMIT:
        detail = f"The serialized request is larger than {STORED_LIMIT // KIB} KiB. Send large inputs as URLs."
        raise Problem("body_too_large", detail)
    return text
