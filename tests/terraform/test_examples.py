"""The examples: each plans and applies with mocked providers, and does what its README says."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.terraform.mocked import ENTRY, Resource, State, initialize, run_test, terraform

EXAMPLES = ENTRY / "examples"
CALLERS = ("minimal", "public-form", "events", "platform")  # of the module
ENVIRONMENTS = ("staging", "production")
# Name of a run → folder, and arguments of `terraform test`.
RUNS = {name: (name, ()) for name in CALLERS[:-1]} | {
    name: ("platform", (f"-var-file=environments/{name}.tfvars",)) for name in ENVIRONMENTS
}


@pytest.fixture(scope="session")
def examples(root_module: Path) -> Mapping[str, Path]:
    """An initialized copy of each example that calls the module."""
    return {name: initialize(root_module / "examples" / name) for name in CALLERS}


@pytest.fixture(scope="session")
def example_states(examples: Mapping[str, Path]) -> Mapping[str, State]:
    """What each run makes."""
    return {
        name: run_test(examples[folder], folder.replace("-", "_"), *arguments)
        for name, (folder, arguments) in RUNS.items()
    }


@pytest.mark.parametrize("name", CALLERS)
def test_an_example_is_valid(examples: Mapping[str, Path], name: str) -> None:
    terraform(examples[name], "validate", "-no-color")


@pytest.mark.parametrize("folder", sorted(EXAMPLES.iterdir()), ids=lambda folder: folder.name)
def test_an_example_is_explained_and_requires_the_same_versions_as_the_root(folder: Path) -> None:
    required = re.findall(r'source += "(.+)"\n +version = "(.+)"', (folder / "terraform.tf").read_text())
    root = dict(re.findall(r'source += "(.+)"\n +version = "(.+)"', (ENTRY / "terraform.tf").read_text()))
    assert required
    assert dict(required).items() <= root.items()
    readme = (folder / "README.md").read_text()
    assert "Terraform 1.11 or newer, and the Google provider 7.46 up to 8" in " ".join(readme.split())
    declared = re.findall(r'^variable "(\w+)" \{\n  description = "', (folder / "variables.tf").read_text(), re.M)
    assert declared == re.findall(r'^variable "(\w+)"', (folder / "variables.tf").read_text(), re.M)


def service_environment(state: State) -> Mapping[str, str]:
    """The environment variables of the trigger."""
    environment: Mapping[str, str] = state.function("trigger").service["environment_variables"]
    return environment


def only(state: State, kind: str) -> Resource:
    """The resource of a type."""
    (resource,) = state.all(kind)
    return resource


def test_the_minimal_example_is_private(example_states: Mapping[str, State]) -> None:
    state = example_states["minimal"]
    callers = [
        item.values["member"]
        for item in state.all("google_cloud_run_v2_service_iam_member")
        if item.name == "trigger_invoker"
    ]
    assert callers == ["user:ada@example.com"]


def test_the_load_balancer_leads_to_the_trigger_and_past_cloud_armor(example_states: Mapping[str, State]) -> None:
    state = example_states["public-form"]
    rule = only(state, "google_compute_global_forwarding_rule").values
    proxy = only(state, "google_compute_target_https_proxy").values
    backend = only(state, "google_compute_backend_service").values
    group = only(state, "google_compute_region_network_endpoint_group").values
    certificate = only(state, "google_compute_managed_ssl_certificate").values
    assert rule["port_range"] == "443"
    assert rule["target"] == proxy["id"]
    assert proxy["url_map"] == only(state, "google_compute_url_map").values["id"]
    assert proxy["ssl_certificates"] == [certificate["id"]]
    assert certificate["managed"][0]["domains"] == ["images.example.com"]
    assert only(state, "google_compute_url_map").values["default_service"] == backend["id"]
    assert [item["group"] for item in backend["backend"]] == [group["id"]]
    assert group["cloud_run"][0]["service"] == state.function("trigger").values["name"]
    assert backend["security_policy"] == only(state, "google_compute_security_policy").values["id"]
    assert rule["load_balancing_scheme"] == backend["load_balancing_scheme"] == "EXTERNAL_MANAGED"


def test_no_caller_bypasses_the_load_balancer_whose_addresses_are_trusted(example_states: Mapping[str, State]) -> None:
    state = example_states["public-form"]
    assert state.function("trigger").service["ingress_settings"] == "ALLOW_INTERNAL_AND_GCLB"
    environment = service_environment(state)
    assert environment["TRUSTED_PROXIES"] == "1"
    assert environment["PUBLIC_URL"] == state.outputs["url"] == "https://images.example.com"


def test_cloud_armor_denies_attacks_before_it_counts_and_lets_no_address_through_uncounted(
    example_states: Mapping[str, State],
) -> None:
    rules = only(example_states["public-form"], "google_compute_security_policy").values["rule"]
    *firewall, limit, default = sorted(rules, key=lambda rule: rule["priority"])
    assert len(firewall) == 3
    for rule in firewall:
        assert rule["action"] == "deny(403)"
        assert rule["preview"] is False
        assert "evaluatePreconfiguredWaf(" in rule["match"][0]["expr"][0]["expression"]
    assert limit["action"] == "throttle"
    assert limit["match"][0]["config"][0]["src_ip_ranges"] == ["*"]
    (options,) = limit["rate_limit_options"]
    assert (options["conform_action"], options["exceed_action"], options["enforce_on_key"]) == (
        "allow",
        "deny(429)",
        "IP",
    )
    assert options["rate_limit_threshold"] == [{"count": 120, "interval_sec": 60}]
    assert default["priority"] == 2**31 - 1


def test_messages_come_from_two_topics_and_one_has_dead_letters(example_states: Mapping[str, State]) -> None:
    state = example_states["events"]
    pushed = state.one("google_pubsub_subscription.requests[0]").values
    assert pushed["dead_letter_policy"][0]["dead_letter_topic"] == "projects/example-project/topics/dead-letters"
    trigger = only(state, "google_eventarc_trigger").values
    assert trigger["transport"][0]["pubsub"][0]["topic"] == "projects/example-project/topics/orders"
    assert pushed["topic"] == state.outputs["request_topic"] == "projects/example-project/topics/requests"
    published = {
        item.values["topic"]
        for item in state.all("google_pubsub_topic_iam_member")
        if item.values["member"].startswith("serviceAccount:shop@")
    }
    assert published == {"orders", "projects/example-project/topics/requests"}
    assert not [
        item for item in state.all("google_cloud_run_v2_service_iam_member") if item.values["member"] == "allUsers"
    ]


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_the_platform_brings_everything_along(example_states: Mapping[str, State], name: str) -> None:
    state = example_states[name]
    created = {item.type for item in state.resources}
    brought = {
        "service_account",
        "secret_manager_secret",
        "secret_manager_secret_version",
        "monitoring_notification_channel",
    }
    assert created & {f"google_{kind}" for kind in brought} == set()
    secrets = state.function("trigger").service["secret_environment_variables"]
    assert {item["project_id"] for item in secrets} == {"acme-vault"}
    assert all(item["version"] == "1" for item in secrets)
    assert state.function("trigger").values["labels"]["environment"] == name
    policies = state.all("google_monitoring_alert_policy")
    assert all(len(item.values["notification_channels"]) == 1 for item in policies)


def test_each_environment_has_its_own_state_in_a_bucket_and_sets_every_variable() -> None:
    folder = EXAMPLES / "platform"
    assert re.search(r'^  backend "gcs" \{\}$', (folder / "terraform.tf").read_text(), re.M)
    states = [(folder / f"environments/{name}.gcs").read_text() for name in ENVIRONMENTS]
    assert len(set(states)) == len(ENVIRONMENTS)
    assert all(re.fullmatch(r'bucket = ".+"\nprefix = ".+"\n', state) for state in states)
    variables = re.findall(r'^variable "(\w+)" \{\n(.*?)^\}', (folder / "variables.tf").read_text(), re.M | re.S)
    required = {name for name, block in variables if "  default " not in block}
    for name in ENVIRONMENTS:
        given = re.findall(r"^(\w+) +=", (folder / f"environments/{name}.tfvars").read_text(), re.M)
        assert required <= set(given) <= {name for name, _ in variables}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_each_secret_of_the_vault_is_created_and_its_access_can_be_read_and_granted(name: str) -> None:
    folder = EXAMPLES / "platform"
    document = (folder / "README.md").read_text()
    variables = (folder / f"environments/{name}.tfvars").read_text()
    (project,) = re.findall(r'^project_id += "(.+)"$', variables, re.M)
    named = set(re.findall(r'"projects/acme-vault/secrets/(.+?)/', variables))
    ((listed, loop),) = re.findall(r"^for secret in (.+); do\n(.*?)^done$", document, re.M | re.S)
    assert {f"{secret}-{name}" for secret in listed.split()} == named
    assert 'gcloud secrets create "$secret-$KEY" --project=acme-vault\n' in loop
    added = set(re.findall(r'gcloud secrets versions add "(.+)-\$KEY" --project=acme-vault', document))
    assert added == set(listed.split())
    bindings = re.findall(
        r'add-iam-policy-binding "\$secret-\$KEY" --project=acme-vault --role=(\S+) \\\n +--member="(.+)"$', loop, re.M
    )
    (default,) = re.findall(
        r'^variable "name" \{\n.*?default += "(.+?)"', (folder / "variables.tf").read_text(), re.M | re.S
    )
    accounts = {task: f"{default}-{task}@{project}.iam.gserviceaccount.com" for task in ("deployer", "planner")}
    assert {role: member.replace("$PROJECT", project) for role, member in bindings} == {
        "roles/secretmanager.admin": f"serviceAccount:{accounts['deployer']}",
        "roles/secretmanager.viewer": f"serviceAccount:{accounts['planner']}",
    }
