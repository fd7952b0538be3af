"""Authorization: what a caller may do."""

from shared.auth_settings import AuthSettings
from shared.job import Job
from shared.problems import Problem

from .caller import Caller, CallerKind
from .rejections import no_authentication, unauthorized

UNKNOWN_JOB = "There is no job with this id. Jobs are deleted after their retention time."


def check_may_read(job: Job, caller: Caller | None) -> None:
    """Check that the caller may read and cancel the job.

    Raises Problem: 401 without a credential, 404 for a private job of another caller, as for one that does not exist.
    """
    if not job.private:
        return
    if caller is None or caller.kind is CallerKind.OPEN:
        raise unauthorized("Send the token or the signature of the caller that submitted this job.")
    if not caller.admin and not (caller.private and caller.name == job.caller):
        raise Problem("not_found", UNKNOWN_JOB)


def check_may_list(caller: Caller | None, settings: AuthSettings) -> Caller:
    """Return the caller if it may list jobs and workflows. Raises Problem 401, or 403 without any authentication."""
    if caller and (caller.private or caller.kind is CallerKind.OPEN):
        return caller
    if not settings.configured:
        raise no_authentication()
    raise unauthorized("Send a token as Authorization: Bearer TOKEN, or sign the request (Standard Webhooks).")


def check_may_send_batches(caller: Caller) -> None:
    """Check that the caller may submit several jobs in one request. Raises Problem 403."""
    if not caller.may_send_batches:
        raise Problem("forbidden", "A batch needs a token, a signature, or an event. Send a single prompt.")
