"""The recipe "Signed webhooks", run by Python."""

import os
import subprocess
import sys

from tests.recipes.deployment import SIGNING_SECRET, Deployment
from tests.recipes.readme_blocks import blocks, filled_in

OTHER_SECRET = "whsec_YW5vdGhlci1zZWNyZXQtb2YtdGhlc2U="
PROMPT = "A red fox in the snow"


def send(deployment: Deployment, secret: str) -> subprocess.CompletedProcess[str]:
    (code,) = blocks("Signed webhooks", "python")
    environ = {"PATH": os.environ["PATH"], "SIGNING_SECRET": secret, "TZ": "Asia/Tokyo"}
    code = filled_in(code, deployment.trigger)
    return subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, timeout=60)


def test_a_signed_webhook_is_one_job_however_often_it_is_sent(deployment: Deployment) -> None:
    first, again = (send(deployment, SIGNING_SECRET) for _ in range(2))
    assert first.returncode == 0, first.stderr
    job = deployment.finished(PROMPT)
    assert (job["status"], job["caller"]) == ("succeeded", "shop")
    assert first.stdout == again.stdout == job["statusUrl"] + "\n"


def test_another_secret_makes_no_job(deployment: Deployment) -> None:
    before = deployment.jobs_of(PROMPT)
    done = send(deployment, OTHER_SECRET)
    assert done.returncode != 0
    assert "401" in done.stderr
    assert deployment.jobs_of(PROMPT) == before
