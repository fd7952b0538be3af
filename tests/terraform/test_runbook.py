"""Every alert has a section in terraform/README.md and links to it; the newcomer's path fits on two screens."""

import re
import shutil

import pytest

from shared.log import Event
from tests.terraform.commands import Tree, exported, gcloud_faults, gcloud_tree, in_script, terraform_faults
from tests.terraform.mocked import ENTRY, VARIABLES, State

README = (ENTRY / "README.md").read_text()
FIRST = README.partition("## First deployment\n")[2].partition("\n## ")[0]
SCREENS = 100  # lines


def anchor(heading: str) -> str:
    """What GitHub makes of a heading."""
    return re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-")


def sections() -> dict[str, str]:
    """Anchor → text of each section of the runbook."""
    runbook = README.partition("## Alerts\n")[2].partition("\n## ")[0]
    headings = re.findall(r"^### ([^\n]+)\n\n(.*?)(?=^### |\Z)", runbook, re.M | re.S)
    return {anchor(heading): text for heading, text in headings}


def linked(state: State) -> dict[str, str]:
    """Each alert → the link of its documentation."""
    return {
        item.address: found
        for item in state.all("google_monitoring_alert_policy")
        for found in re.findall(r"^Runbook: (\S+)$", item.values["documentation"][0]["content"], re.M)
    }


def test_every_alert_links_to_a_section_of_its_own_title(deployment: State, largest: State) -> None:
    links = linked(deployment)
    place = "https://git.example.com/images/terraform/README.md" if deployment is largest else "terraform/README.md"
    policies = deployment.all("google_monitoring_alert_policy")
    assert set(links) == {item.address for item in policies}
    for item in policies:
        title = item.values["display_name"].partition(": ")[2].removesuffix(" (fast)").removesuffix(" (slow)")
        assert links[item.address] == f"{place}#{anchor(title)}"
        assert anchor(title) in sections()


def test_every_section_is_of_an_alert_and_says_what_to_do(largest: State) -> None:
    assert {link.partition("#")[2] for link in linked(largest).values()} == set(sections())
    for name, text in sections().items():
        assert 1 <= len(text.strip().splitlines()) <= 15, name
        assert len(text) > 60, name


def test_the_log_queries_name_events_that_there_are() -> None:
    queries = re.findall(r"gcloud logging read .*", README)
    named = {event for query in queries for event in re.findall(r'jsonPayload\.event=\\?"(\w+)', query)}
    assert len(queries) > 6
    assert named
    assert named <= set(Event)


def test_the_first_deployment_fits_on_two_screens() -> None:
    lines = FIRST.splitlines()
    assert 30 < len(lines) <= SCREENS
    assert [line for line in lines if len(line) > 130] == []


@pytest.mark.skipif(not shutil.which("terraform"), reason="terraform is not installed")
def test_every_command_of_the_first_deployment_is_checked() -> None:
    tree: Tree | None = gcloud_tree()
    if tree is None:
        pytest.skip("gcloud is not installed")
    script = "".join(re.findall(r"^```sh\n(.*?)^```", FIRST, re.M | re.S))
    for line in script.splitlines():
        commands = in_script(line)
        for words in commands:
            assert (gcloud_faults(words, tree) if words[0] == "gcloud" else terraform_faults(words)) == []
        if line.startswith("cp "):
            assert (ENTRY.parent / line.split()[1]).exists()
        elif line.startswith("export "):
            assert exported(line)
            assert exported(line) <= set(VARIABLES)
        else:
            assert commands, line
