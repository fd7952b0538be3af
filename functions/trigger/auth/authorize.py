"""Authorization: what a caller may do."""

from shared.auth_settings import AuthSettings
from shared.batches import Batch
from shared.callers import is_visitor
from shared.job import Job
from shared.listed_job import ListedJob
from shared.problems import Problem

from .caller import Caller, CallerKind
from .rejections import credential_needed, no_authentication, unauthorized

UNKNOWN_JOB = "There is no job with this id. Jobs are deleted after their retention time."
UNKNOWN_BATCH = "There is no batch with this id. Batches are deleted after the retention time of their jobs."


def erased() -> Problem:
    """Return the problem of a request for a job that was erased."""
    return Problem("erased", "The job was erased. To make its image again, send a request with a new Idempotency-Key.")


def check_may_read(job: Job | Batch, caller: Caller | None) -> None:
    """Check that the caller may read the job or batch.

    Raises Problem: 401 without a credential, 404 for a private job of another caller, as for one that does not exist,
    410 for one that was erased.
    """
    _check_may_know(job, caller)
    if isinstance(job, Job) and job.erased_at:
        raise erased()


def check_may_cancel(job: Job | Batch, caller: Caller | None, settings: AuthSettings) -> None:
    """Check that the caller may cancel the job or batch. A visitor of a page needs only its id, all others a token.

    Raises Problem as `check_may_act` does.
    """
    if not settings.needs_no_credential and is_visitor(job.caller):
        check_may_read(job, caller)
        return
    check_may_act(job, caller, settings)


def check_may_act(job: Job | Batch, caller: Caller | None, settings: AuthSettings) -> None:
    """Check that the caller may change the job or read its history: with the token of its caller or of an admin.

    Without any authentication the operator may, on the same machine. Raises Problem as `check_may_read` does, and 403
    for another caller or without any authentication.
    """
    check_may_read(job, caller)
    _check_owns(job, caller, settings)


def check_may_erase(job: Job, caller: Caller | None, settings: AuthSettings) -> None:
    """Check that the caller may erase the job, which may be erased already. Raises Problem as `check_may_act` does."""
    _check_may_know(job, caller)
    _check_owns(job, caller, settings)


def _check_may_know(job: Job | Batch, caller: Caller | None) -> None:
    if not job.private:
        return
    if caller is None or not (caller.kind is CallerKind.TOKEN or caller.operator):
        raise unauthorized("Send the token of the caller that submitted this job.")
    if not _owns(job, caller):
        raise Problem("not_found", UNKNOWN_BATCH if isinstance(job, Batch) else UNKNOWN_JOB)


def _check_owns(job: Job | Batch, caller: Caller | None, settings: AuthSettings) -> None:
    if settings.needs_no_credential:
        if caller is None:
            raise no_authentication()
        return
    if caller is None or caller.kind is not CallerKind.TOKEN:
        raise unauthorized("Send the token of the caller of this job, or of an admin.")
    if not _owns(job, caller):
        raise Problem("forbidden", "Only the caller of this job or an admin may do this.")


def check_may_list(caller: Caller | None, settings: AuthSettings) -> Caller:
    """Return the caller if it may list jobs. Raises Problem 401, or 403 without any authentication."""
    if caller and caller.kind in (CallerKind.TOKEN, CallerKind.OPEN):
        return caller
    if not settings.configured:
        raise no_authentication()
    raise credential_needed(settings, CallerKind.TOKEN)


def check_may_list_workflows(caller: Caller | None, settings: AuthSettings) -> None:
    """Check that the caller may list the workflows. Raises Problem 401, or 403 without any authentication."""
    if may_see_workflows(caller):
        return
    if not settings.configured:
        raise no_authentication()
    raise credential_needed(settings, CallerKind.TOKEN, CallerKind.SIGNATURE)


def may_see_workflows(caller: Caller | None) -> bool:
    """Return whether the caller may see the names of the workflows."""
    return caller is not None and caller.kind in (CallerKind.TOKEN, CallerKind.SIGNATURE, CallerKind.OPEN)


def check_may_send_batches(caller: Caller) -> None:
    """Check that the caller may submit several jobs in one request. Raises Problem 403."""
    if not caller.may_send_batches:
        raise Problem("forbidden", "A batch needs a token, a signature, or an event. Send a single prompt.")


def check_may_upload(caller: Caller) -> None:
    """Check that the caller may upload a batch of rows: a visitor of a page may not. Raises Problem 403.

    Nor a sender of signed requests: the signature does not cover the URL, and a captured `POST /` would be paid again.
    """
    if caller.browser:
        raise Problem("forbidden", "A table of prompts needs a token or an event. Send a single prompt to POST /.")
    if caller.kind is CallerKind.SIGNATURE:
        detail = "A signature does not cover the URL, so signed requests are accepted at POST / only. Send a token."
        raise Problem("forbidden", detail)


def is_owner(job: ListedJob | Batch, caller: Caller | None) -> bool:
    """Return whether the reader is the caller of the job or an admin: not a visitor, who has only the job's id."""
    return caller is not None and caller.kind is not CallerKind.FORM and _owns(job, caller)


def _owns(job: ListedJob | Batch, caller: Caller) -> bool:
    return caller.admin or caller.name == job.caller
