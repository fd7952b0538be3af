"""Our fields in: what a request says about its image is checked by name, and becomes an submission."""

import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from shared.config import Config
from shared.idempotency import IdempotencyKey, fingerprint
from shared.problems import Problem
from shared.submission import Submission
from shared.workflows import DEFAULT

from ..auth.caller import Caller
from .json_body import check_unicode
from .names import NOT_COMPARED, OURS, RESERVED
from .read import KIB
from .urls import image_url, redirect_url

PROMPT_LIMIT = 4_000  # characters
DEADLINE_LIMIT = 1_000_000_000  # seconds
IMAGES_LIMIT = 10_000
STORED_LIMIT = 560 * KIB  # of a document of 1 MiB, which must also hold what is learned of the job later

# Of a workflow, the fields that are not ours, and whether there is an input image: Problem if they do not fit.
Check = Callable[[str, Mapping[str, Any], bool], Awaitable[None]]

JOB_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Rules:
    """What a request is measured by."""

    caller: Caller
    config: Config
    check: Check


async def submission_from(
    fields: Mapping[str, Any], file: bytes | None, key: IdempotencyKey | None, rules: Rules
) -> Submission:
    """The submission of one request; Problem names the first field that is wrong."""
    _refuse_reserved(fields)
    prompt = _prompt(fields)
    workflow = _workflow(fields)
    address, from_job, from_image = _address(fields, file, rules.config), _from_job(fields), _from_image(fields)
    deadline, partial = _deadline(fields.get("deadlineSeconds")), _flag(fields, "allowPartial")
    if "redirectUrl" in fields:
        redirect_url(fields["redirectUrl"], rules.config.auth.origins)
    check_unicode(fields)
    rest = {name: value for name, value in fields.items() if name not in OURS or name == "website"}
    text = _input(rest)
    await rules.check(workflow, rest, bool(address or file or from_job))
    return Submission(
        prompt=prompt,
        input=text,
        fingerprint=fingerprint(json.dumps(compared(fields, file))),
        key=key,
        workflow=workflow,
        caller=rules.caller.name,
        private=rules.caller.private,
        admin=rules.caller.admin,
        image_url=address,
        file=file,
        from_job=from_job,
        from_image=from_image,
        deadline_seconds=deadline,
        allow_partial=partial,
    )


def compared(fields: Mapping[str, Any], file: bytes | None) -> dict[str, Any]:
    """What two requests with the same key must have in common."""
    shown = {name: value for name, value in fields.items() if name not in NOT_COMPARED}
    if file is not None:
        shown["image1"] = {"sha256": hashlib.sha256(file).hexdigest()}
    return shown


def _refuse_reserved(fields: Mapping[str, Any]) -> None:
    for name in RESERVED:
        if name in fields:
            raise Problem("field_not_supported", f"{name} is a reserved name that is not supported yet.", field=name)


def _prompt(fields: Mapping[str, Any]) -> str:
    prompt = fields.get("prompt")
    if not isinstance(prompt, str):
        raise Problem.wrong("Send a prompt: a text that says what the image shows.", "prompt")
    if not prompt.strip():
        raise Problem.wrong("The prompt is blank: say what the image shows.", "prompt")
    if len(prompt) > PROMPT_LIMIT:
        detail = f"The prompt has {len(prompt):,} characters; at most {PROMPT_LIMIT:,} are allowed."
        raise Problem.wrong(detail, "prompt")
    return prompt


def _workflow(fields: Mapping[str, Any]) -> str:
    name = fields.get("workflow", DEFAULT)
    if not isinstance(name, str):
        raise Problem.wrong("workflow must be the name of a workflow, as text.", "workflow")
    return name


def _address(fields: Mapping[str, Any], file: bytes | None, config: Config) -> str | None:
    """The address of the input image; Problem if more than one image is named."""
    if file is not None and "image1" in fields:
        raise Problem.wrong("image1 is there twice, as a file and as a text; send one of them.", "image1")
    if "fromJob" in fields and (file is not None or "image1" in fields):
        raise Problem.wrong("image1 and fromJob both name an input image; send one of them.", "fromJob")
    return image_url(fields["image1"], config) if "image1" in fields else None


def _from_job(fields: Mapping[str, Any]) -> str | None:
    if "fromJob" not in fields:
        return None
    job_id = fields["fromJob"]
    if not isinstance(job_id, str) or not JOB_ID.fullmatch(job_id):
        raise Problem.wrong("fromJob must be the id of one of your jobs: 32 hexadecimal digits.", "fromJob")
    return job_id


def _from_image(fields: Mapping[str, Any]) -> int:
    number = fields.get("fromImage", 0)
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < IMAGES_LIMIT:
        raise Problem.wrong("fromImage must be the number of an image; they count from 0.", "fromImage")
    if "fromImage" in fields and "fromJob" not in fields:
        raise Problem.wrong("fromImage needs fromJob, the job that the image is of.", "fromImage")
    return number


def _deadline(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < DEADLINE_LIMIT:
        detail = f"deadlineSeconds must be a number of seconds above 0 and below {DEADLINE_LIMIT:,}."
        raise Problem.wrong(detail, "deadlineSeconds")
    return float(value)


def _flag(fields: Mapping[str, Any], name: str) -> bool:
    value = fields.get(name, False)
    if not isinstance(value, bool):
        raise Problem.wrong(f"{name} must be true or false.", name)
    return value


def _input(fields: Mapping[str, Any]) -> str:
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    if len(text.encode()) > STORED_LIMIT:
        detail = f"Written out, the request has more than {STORED_LIMIT // KIB} KiB. Send large inputs as URLs."
        raise Problem("body_too_large", detail)
    return text
