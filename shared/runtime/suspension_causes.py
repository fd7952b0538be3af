"""Which suspension of the gate an error of a paid call causes."""

from datetime import datetime

from shared.callers import share_of
from shared.error_codes import ErrorCode
from shared.job import Job
from shared.spending.gate_state import ResumeOn, Suspension
from shared.spending.suspensions import FIRST_PROBE, FIRST_TRIAL
from shared.wireflow import errors


def suspension_for(error: errors.WireflowError, now: datetime, job: Job | None = None) -> Suspension | None:
    """Return the suspension that a failed paid call of `job` causes, or None if it concerns this job only."""
    if isinstance(error, errors.RequestRefused | errors.NoExecutionId):
        return None
    if isinstance(error, errors.RateLimited):
        until = error.retry_at or now + FIRST_PROBE
        return Suspension(reason=error.code, resume_on=ResumeOn.TIME, since=now, until=until)
    if isinstance(error, errors.OperatorMustAct):
        return Suspension(
            reason=error.code,
            resume_on=ResumeOn.TRIAL,
            since=now,
            until=now + FIRST_TRIAL,
            credits_required=getattr(error, "required", None),
            credits_available=getattr(error, "available", None),
            workflow=job.workflow if job and error.scope is errors.Scope.WORKFLOW else None,
            refused_workflow=job.workflow if job else None,
            refused_caller=share_of(job.caller) if job else None,
        )
    reason = ErrorCode.UPSTREAM_ERROR if error.code is ErrorCode.OUTCOME_UNKNOWN else error.code
    until = error.retry_at or now + FIRST_PROBE
    return Suspension(reason=reason, resume_on=ResumeOn.HEALTH, since=now, until=until)
