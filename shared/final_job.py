"""What is added to the record of a job after its end, and what is left out of it if it is too large, or erased."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from shared.job_parts import MAX_NEXT_JOBS, Image, JobError, Then
from shared.job_record import JobRecord


@dataclass(frozen=True, kw_only=True)
class FinalJob(JobRecord):
    """A record with the changes that have nothing to do with its runs."""

    def rescheduled(self) -> Self:
        """A final job, due when something is left to do."""
        return self.evolve(due_at=self.left_to_do_at)

    def abandoned(self) -> Self:
        """Nothing more is done for a final job, not even what was left to do."""
        return self.evolve(due_at=None, callbacks=tuple(callback.given_up() for callback in self.callbacks))

    # --- too large a record ----------------------------------------------------------------------------------------

    def trimmed(self) -> Self:
        """The record without merely informative fields."""
        callbacks = tuple(dataclasses.replace(callback, last_body=None) for callback in self.callbacks)
        return self.evolve(steps=(), last_response=None, responses=(), callbacks=callbacks)

    def reduced(self) -> Self:
        """The record of a job that ends now, with no more than what callers see."""
        return self.evolve(steps=(), last_response=None, responses=(), input="{}")

    # --- chains ----------------------------------------------------------------------------------------------------

    def continued_by(self, ids: Iterable[str]) -> Self:
        """Other jobs have an image of this one as their input image."""
        return self.evolve(next_jobs=tuple(dict.fromkeys((*self.next_jobs, *ids)))[-MAX_NEXT_JOBS:])

    def followed(self, then: Then, next_id: str) -> Self:
        """The job that follows this one exists."""
        job = self.evolve(then=dataclasses.replace(then, job=next_id))
        return job.continued_by([next_id]).rescheduled()

    # --- erasure ---------------------------------------------------------------------------------------------------

    def erased(self, now: datetime) -> Self:
        """What remains of a final job: what the usage and its idempotency key need. Its images are deleted next."""
        stored = [image for image in self.images if image.name]
        return type(self)(
            id=self.id,
            status=self.status,
            prompt="",
            workflow=self.workflow,
            caller=self.caller,
            private=self.private,
            batch_id=self.batch_id,
            batch_row=self.batch_row,
            fingerprint=self.fingerprint,
            created_at=self.created_at,
            completed_at=self.completed_at,
            give_up_at=self.give_up_at,
            expire_at=self.expire_at,
            images=tuple(Image(index=image.index, source_url="", name=image.name) for image in stored),
            error=self.error and JobError.of(self.error.code, charged=self.error.charged),
            cost=self.cost,
            earlier_cost=self.earlier_cost,
            recheck_done=True,
            erased_at=now,
            erase_images_at=now,
            revision=self.revision,
        ).rescheduled()

    def images_erased(self, again_at: datetime | None) -> Self:
        """The images of an erased job are deleted; that is repeated at `again_at`."""
        return self.evolve(erase_images_at=again_at).rescheduled()
