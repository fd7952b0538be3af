"""The recipe "CI step", run by bash."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.recipes.deployment import TOKEN, Deployment
from tests.recipes.readme_blocks import blocks, filled_in

PROMPT = "A banner for the release notes: a lighthouse at dawn"


@dataclass(frozen=True)
class Pipeline:
    """Runs the step in an empty folder."""

    deployment: Deployment
    folder: Path

    def builds(self, commit: str, token: str = TOKEN, prompt: str = PROMPT) -> subprocess.CompletedProcess[str]:
        (code,) = blocks("CI step", "bash")
        code = filled_in(code, self.deployment.trigger).replace(PROMPT, prompt)
        environ = {"PATH": os.environ["PATH"], "TRIGGER_TOKEN": token, "COMMIT": commit}
        return subprocess.run(
            ["bash", "-c", code], cwd=self.folder, env=environ, capture_output=True, text=True, timeout=120
        )

    @property
    def banner(self) -> Path:
        return self.folder / "banner.png"


@pytest.fixture
def pipeline(deployment: Deployment, tmp_path: Path) -> Pipeline:
    return Pipeline(deployment, tmp_path)


def test_a_commit_gets_its_image_and_the_same_one_when_it_is_built_again(pipeline: Pipeline) -> None:
    for _ in range(2):
        done = pipeline.builds("4b825dc")
        assert done.returncode == 0, done.stderr
        assert pipeline.deployment.is_image_of(PROMPT, pipeline.banner.read_bytes())
        pipeline.banner.unlink()
    assert len(pipeline.deployment.jobs_of(PROMPT)) == 1


@pytest.mark.parametrize(
    ("case", "detail"),
    [
        ({"token": "wrong"}, "The token is unknown."),
        ({"prompt": " "}, "The prompt is missing or blank"),
        ({"prompt": "a lighthouse [fault:moderation]"}, "Change the prompt"),
    ],
)
def test_what_goes_wrong_fails_the_step_and_says_why(pipeline: Pipeline, case: dict[str, str], detail: str) -> None:
    done = pipeline.builds("51c2f9e", **case)
    assert done.returncode == 1
    assert detail in done.stderr
    assert not pipeline.banner.exists()


def test_an_address_that_does_not_answer_fails_the_step(pipeline: Pipeline) -> None:
    nowhere = Deployment("http://127.0.0.1:9", pipeline.deployment.simulator, pipeline.deployment.http)
    done = Pipeline(nowhere, pipeline.folder).builds("51c2f9e")
    assert done.returncode != 0
    assert "127.0.0.1" in done.stderr
