"""RESTORE.md: between its first step and its last one, no job starts from the damaged or the restored database."""

import re

from tests.terraform.mocked import ENTRY, MODULE

RESTORE = (ENTRY / "RESTORE.md").read_text().partition("## Restore the database\n")[2].partition("\n## ")[0]
DAMAGED, RESTORED = "$DATABASE", "restored"
# The types of resources that call the poller → their commands.
CALLERS = {"google_cloud_scheduler_job": "scheduler jobs", "google_cloud_tasks_queue": "tasks queues"}


def steps() -> list[tuple[str, str]]:
    """Title → text of each step."""
    return re.findall(r"^### (\d[^\n]+)\n(.*?)(?=^### |\Z)", RESTORE, re.M | re.S)


def position(command: str) -> int:
    """Where a command is, and it is there once."""
    assert RESTORE.count(command) == 1, command
    return RESTORE.index(command)


def control(verb: str, database: str) -> int:
    """Where the command is that pauses or resumes the starts of a database."""
    return position(f'JOBS_URL="firestore://$PROJECT/{database}" python -m functions control {verb}\n')


def test_the_first_step_stops_the_starts_and_everything_that_calls_the_poller() -> None:
    first = steps()[0][1]
    assert f'JOBS_URL="firestore://$PROJECT/{DAMAGED}" python -m functions control pause\n' in first
    resources = "\n".join(file.read_text() for file in MODULE.glob("*.tf"))
    callers = re.findall(r'^resource "(google_cloud_\w+?_(?:job|queue))" ', resources, re.M)
    assert sorted(callers) == sorted(CALLERS)
    for caller in callers:
        assert f"gcloud {CALLERS[caller]} pause " in first


def test_the_restored_database_is_paused_before_the_functions_are_pointed_at_it() -> None:
    ended = max(position("gcloud firestore import "), position("gcloud firestore databases restore "))
    assert ended < control("pause", RESTORED) < position("terraform -chdir=terraform state rm ")


def test_the_jobs_are_looked_at_before_any_work_and_starts_are_resumed_last() -> None:
    look = position(f'JOBS_URL="firestore://$PROJECT/{RESTORED}" python -m functions jobs list --status queued')
    work = [position(f"gcloud {caller} resume ") for caller in CALLERS.values()]
    assert position("terraform -chdir=terraform apply ") < look < min(work)
    assert max(work) < control("resume", RESTORED)


def test_the_name_of_the_queue_is_found_by_the_form_that_it_has() -> None:
    (suffix,) = re.findall(r'name~/\$NAME-\[0-9a-f\]\{(\d+)\}\$"', RESTORE)
    name = re.findall(r'^  name     = "(.+)"$', (MODULE / "wake_up.tf").read_text(), re.M)
    assert name == [f"${{var.name}}-${{substr(terraform_data.wake_up.id, 0, {suffix})}}"]
