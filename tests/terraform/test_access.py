"""Who may do what: exactly the table below, and nobody else anything else."""

import json

import pytest

from tests.terraform.mocked import FUNCTIONS, MODULE, Resource, State

PROJECT = "google_project.this"
IMAGES = "google_storage_bucket.images"
SECRETS = [f'google_secret_manager_secret.wireflow["{name}"]' for name in ("WIREFLOW_WEBHOOK_ID", "WIREFLOW_API_KEY")]
TRIGGER = "google_cloudfunctions2_function.trigger"
POLLER = "google_cloudfunctions2_function.poller"

# (who, role, on what). Whatever is granted and does not stand here is a mistake.
GRANTS = {
    ("build", "roles/logging.logWriter", PROJECT),
    ("build", "roles/artifactregistry.writer", PROJECT),
    ("build", "roles/storage.objectViewer", PROJECT),
    ("trigger", "roles/datastore.user", PROJECT),
    ("trigger", "roles/storage.objectViewer", IMAGES),
    ("trigger", "roles/iam.serviceAccountTokenCreator", "google_service_account.trigger"),
    *(("trigger", "roles/secretmanager.secretAccessor", secret) for secret in SECRETS),
    ("poller", "roles/datastore.user", PROJECT),
    ("poller", "roles/storage.objectViewer", IMAGES),
    ("poller", "roles/storage.objectCreator", IMAGES),
    *(("poller", "roles/secretmanager.secretAccessor", secret) for secret in SECRETS),
    ("scheduler", "roles/run.invoker", POLLER),
    ("storage", "roles/pubsub.publisher", "google_pubsub_topic.images"),
}
INVITED = {
    ("user:ada@example.com", "roles/run.invoker", TRIGGER),
    ("serviceAccount:site@example-project.iam.gserviceaccount.com", "roles/run.invoker", TRIGGER),
    ("allUsers", "roles/run.invoker", TRIGGER),
}
EVERYBODY = ("allUsers", "allAuthenticatedUsers")

# Kind of grant → its attribute that says what it is on, the kind of thing that is, and that thing's attribute.
# A kind that is not here stops the tests: decide about it first.
KINDS = {
    "google_project_iam_member": ("project", "google_project", "project_id"),
    "google_storage_bucket_iam_member": ("bucket", "google_storage_bucket", "name"),
    "google_service_account_iam_member": ("service_account_id", "google_service_account", "name"),
    "google_secret_manager_secret_iam_member": ("secret_id", "google_secret_manager_secret", "id"),
    "google_cloud_run_v2_service_iam_member": ("name", "google_cloudfunctions2_function", "name"),
    "google_pubsub_topic_iam_member": ("topic", "google_pubsub_topic", "id"),
}


def grants(state: State) -> list[tuple[str, str, str]]:
    """Every grant of the state: who, role, on what."""
    found = [item for item in state.resources if any(word in item.type for word in ("_iam_", "_acl", "access_control"))]
    assert {item.type for item in found} <= set(KINDS)
    return sorted((whom(state, item.values["member"]), item.values["role"], target(state, item)) for item in found)


def whom(state: State, member: str) -> str:
    """The account's name in the module, "storage" for Cloud Storage's own, else the member as it stands."""
    accounts = {item.values["member"]: item.name for item in state.all("google_service_account")}
    (storage,) = state.all("google_storage_project_service_account")
    return ({f"serviceAccount:{storage.values['email_address']}": "storage"} | accounts).get(member, member)


def target(state: State, grant: Resource) -> str:
    """The address of what a grant is on, without `data.`."""
    attribute, kind, key = KINDS[grant.type]
    (found,) = [item.address for item in state.all(kind) if item.values[key] == grant.values[attribute]]
    return found.removeprefix("data.")


def test_who_may_do_what_is_this_table(smallest: State, existing_database: State) -> None:
    assert grants(smallest) == sorted(GRANTS)
    assert grants(existing_database) == sorted(GRANTS)


def test_the_trigger_opens_for_those_who_were_asked_in(largest: State) -> None:
    assert grants(largest) == sorted(GRANTS | INVITED)


def test_everybody_stands_nowhere_but_at_a_public_trigger(deployment: State, largest: State) -> None:
    named = [
        item.address for item in deployment.resources if any(word in json.dumps(item.values) for word in EVERYBODY)
    ]
    public = ['google_cloud_run_v2_service_iam_member.trigger_invoker["allUsers"]']
    assert named == (public if deployment is largest else [])


def test_no_role_is_a_basic_or_an_administrators_one(deployment: State) -> None:
    roles = {role.lower() for _, role, _ in grants(deployment)}
    assert not [role for role in roles if role in {"roles/owner", "roles/editor", "roles/viewer"} or "admin" in role]


def test_build_trigger_poller_and_schedule_each_work_as_their_own_account(deployment: State) -> None:
    accounts = {item.name: item.values for item in deployment.all("google_service_account")}
    assert set(accounts) == {"build", "trigger", "poller", "scheduler"}
    for name in FUNCTIONS:
        function = deployment.function(name)
        assert function.service["service_account_email"] == accounts[name]["email"]
        assert function.values["build_config"][0]["service_account"] == accounts["build"]["id"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_invoker_is_granted_again_when_its_function_is_replaced(name: str) -> None:
    block = (MODULE / f"{name}.tf").read_text().partition(f'"{name}_invoker"')[2]
    assert f"replace_triggered_by = [google_cloudfunctions2_function.{name}.id]" in block
