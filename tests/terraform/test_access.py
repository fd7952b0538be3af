"""Grants: exactly the table below."""

import json
import re

from tests.terraform.mocked import FUNCTIONS, MODULE, Resource, State

PROJECT = "google_project.this"
IMAGES = "google_storage_bucket.images"
BELOW = f'{IMAGES} if resource.name.startsWith("projects/_/buckets/example-project-wireflow-images/objects/{{}}")'
INPUTS, RESULTS = BELOW.format("inputs/"), BELOW.format("jobs/")
SOURCES = " || ".join(
    f'resource.name == "projects/_/buckets/{name}" || resource.name.startsWith("projects/_/buckets/{name}/")'
    for name in ("example-project-wireflow-images-sources", "gcf-v2-sources-123456789012-us-central1")
)
JOBS = f'{PROJECT} if resource.name == "projects/example-project/databases/(default)"'
TRIGGER = "google_cloudfunctions2_function.trigger"
POLLER = "google_cloudfunctions2_function.poller"
SCHEDULER = 'google_service_account.task["scheduler"]'
MONITORING = "serviceAccount:service-123456789012@gcp-sa-monitoring-notification.iam.gserviceaccount.com"
PUBSUB = "serviceAccount:service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com"


EXISTING_ACCOUNT = "projects/shared-project/serviceAccounts/{}@shared-project.iam.gserviceaccount.com".format


def reads(who: str, *settings: str) -> set[tuple[str, str, str]]:
    """The grants to read these secrets."""
    return {
        (who, "roles/secretmanager.secretAccessor", f'google_secret_manager_secret.wireflow["{name}"]')
        for name in settings
    }


# (who, role, on what). Whatever is granted and does not stand here is a mistake.
GRANTS = {
    ("build", "roles/logging.logWriter", PROJECT),
    ("build", "roles/artifactregistry.writer", PROJECT),
    ("build", "roles/storage.objectViewer", f"{PROJECT} if {SOURCES}"),
    ("trigger", "roles/datastore.user", JOBS),
    ("trigger", "roles/storage.objectViewer", IMAGES),
    ("trigger", "roles/iam.serviceAccountTokenCreator", 'google_service_account.task["trigger"]'),
    ("trigger", "roles/storage.objectCreator", INPUTS),
    *reads("trigger", "WIREFLOW_WEBHOOK_ID", "WIREFLOW_API_KEY"),
    ("poller", "roles/datastore.user", JOBS),
    ("poller", "roles/storage.objectViewer", IMAGES),
    ("poller", "roles/storage.objectCreator", IMAGES),
    ("poller", "roles/storage.objectUser", INPUTS),
    ("poller", "roles/storage.objectUser", RESULTS),
    *reads("poller", "WIREFLOW_WEBHOOK_ID", "WIREFLOW_API_KEY"),
    ("scheduler", "roles/run.invoker", POLLER),
    *((name, "roles/cloudtasks.enqueuer", "google_cloud_tasks_queue.wake_up") for name in FUNCTIONS),
    *((name, "roles/iam.serviceAccountUser", SCHEDULER) for name in FUNCTIONS),
    ("storage", "roles/pubsub.publisher", "google_pubsub_topic.images"),
}
INVITED = {
    ("user:ada@example.com", "roles/run.invoker", TRIGGER),
    ("serviceAccount:site@example-project.iam.gserviceaccount.com", "roles/run.invoker", TRIGGER),
    ("serviceAccount:theirs@example-project.iam.gserviceaccount.com", "roles/run.invoker", TRIGGER),
    ("allUsers", "roles/run.invoker", TRIGGER),
}
# What the options add. A private trigger: its uptime check.
UPTIME = {(MONITORING, "roles/run.invoker", TRIGGER)}
DEAD_LETTERS = {
    ("Pub/Sub", "roles/pubsub.publisher", "google_pubsub_topic.dead_letters[0]"),
    ("Pub/Sub", "roles/pubsub.subscriber", "google_pubsub_subscription.requests[0]"),
}
EVENTS = {
    ("events", "roles/run.invoker", TRIGGER),
    ("Pub/Sub", "roles/iam.serviceAccountTokenCreator", "google_service_account.events[0]"),
}
OPTIONAL_SECRETS = {
    *reads("trigger", "TRIGGER_TOKENS", "TRIGGER_SIGNING_SECRETS", "TURNSTILE_SECRET", "WIREFLOW_WORKFLOWS"),
    *reads("trigger", "CALLBACK_SIGNING_SECRETS_SHA256"),
    *reads("poller", "WIREFLOW_WORKFLOWS", "CALLBACK_SIGNING_SECRETS", "TRIGGER_SIGNING_SECRETS_SHA256"),
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
    "google_artifact_registry_repository_iam_member": ("repository", "", ""),
    "google_cloud_tasks_queue_iam_member": ("name", "google_cloud_tasks_queue", "name"),
    "google_pubsub_topic_iam_member": ("topic", "google_pubsub_topic", "id"),
    "google_pubsub_subscription_iam_member": ("subscription", "google_pubsub_subscription", "name"),
}


def grants(state: State) -> list[tuple[str, str, str]]:
    """Every grant of the state: who, role, on what."""
    found = [item for item in state.resources if any(word in item.type for word in ("_iam_", "_acl", "access_control"))]
    assert {item.type for item in found} <= set(KINDS)
    return sorted((whom(state, item.values["member"]), item.values["role"], target(state, item)) for item in found)


def whom(state: State, member: str) -> str:
    """The account's name in the module, "storage" and "Pub/Sub" for Google's own, else the member itself."""
    accounts = {item.values["member"]: account_name(item) for item in state.all("google_service_account")}
    (storage,) = state.all("google_storage_project_service_account")
    googles = {f"serviceAccount:{storage.values['email_address']}": "storage", PUBSUB: "Pub/Sub"}
    return (googles | accounts).get(member, member)


def account_name(account: Resource) -> str:
    """Its task, or "events"."""
    return account.address.partition('["')[2].removesuffix('"]') or account.name


def target(state: State, grant: Resource) -> str:
    """The address of what a grant is on, without `data.`, and on what condition."""
    attribute, kind, key = KINDS[grant.type]
    on = grant.values[attribute]
    # What exists already is in no state: then its name.
    found = next((item.address for item in state.all(kind) if item.values[key] == on), on)
    condition = "".join(f" if {item['expression']}" for item in grant.values.get("condition") or ())
    return found.removeprefix("data.") + condition


def test_who_may_do_what_is_this_table(smallest: State, existing_database: State) -> None:
    assert grants(smallest) == sorted(GRANTS | UPTIME)
    assert grants(existing_database) == sorted(elsewhere(GRANTS | UPTIME, {"(default)": "theirs"}))


def test_the_trigger_opens_for_those_who_were_asked_in(largest: State) -> None:
    names = {f" if {SOURCES}": "", "example-project-wireflow-images": "example-project-gallery", "(default)": "jobs"}
    assert grants(largest) == sorted(elsewhere(GRANTS, names) | INVITED | DEAD_LETTERS | OPTIONAL_SECRETS)


def elsewhere(table: set[tuple[str, str, str]], names: dict[str, str]) -> set[tuple[str, str, str]]:
    """The same grants on things of other names."""
    for name, other in names.items():
        table = {(who, role, what.replace(name, other)) for who, role, what in table}
    return table


def test_existing_accounts_are_granted_what_new_ones_are_and_the_secrets_and_the_repository_that_exist(
    existing_resources: State,
) -> None:
    accounts = {
        f"serviceAccount:{name}@shared-project.iam.gserviceaccount.com": task
        for name, task in {
            "builder": "build",
            "trigger": "trigger",
            "poller": "poller",
            "scheduler": "scheduler",
        }.items()
    }
    found = {(accounts.get(who, who), role, what) for who, role, what in grants(existing_resources)}
    repository = "projects/example-project/locations/us-central1/repositories/ours"
    secrets = {reader: {"hook", "key"} for reader in FUNCTIONS}
    secrets["trigger"] |= {"tokens"}
    reader = "roles/secretmanager.secretAccessor"
    added = {
        ("build", "roles/artifactregistry.writer", repository),
        *((who, reader, f"projects/vault/secrets/{name}") for who, names in secrets.items() for name in names),
        ("trigger", reader, 'google_secret_manager_secret.wireflow["TURNSTILE_SECRET"]'),
        ("trigger", "roles/iam.serviceAccountTokenCreator", EXISTING_ACCOUNT("trigger")),
        *((name, "roles/iam.serviceAccountUser", EXISTING_ACCOUNT("scheduler")) for name in FUNCTIONS),
        ("allUsers", "roles/run.invoker", TRIGGER),
    }
    replaced = {grant for grant in GRANTS if grant[1] == reader or grant[1].startswith("roles/iam.")}
    replaced |= {("build", "roles/artifactregistry.writer", PROJECT)}
    assert found == (GRANTS - replaced) | added | EVENTS | DEAD_LETTERS


def test_events_come_in_as_an_account_that_may_call_the_trigger_and_nothing_else(
    pubsub: State, eventarc: State
) -> None:
    everybody = ("allUsers", "roles/run.invoker", TRIGGER)
    assert grants(pubsub) == sorted(GRANTS | EVENTS | DEAD_LETTERS | {everybody})
    assert grants(eventarc) == sorted(GRANTS | EVENTS | UPTIME | reads("trigger", "TRIGGER_TOKENS"))


def test_only_a_public_trigger_is_open_to_all_users(deployment: State) -> None:
    named = [
        item.address for item in deployment.resources if any(word in json.dumps(item.values) for word in EVERYBODY)
    ]
    public = ['google_cloud_run_v2_service_iam_member.trigger_invoker["allUsers"]']
    said = deployment.function("trigger").service["environment_variables"]["TRIGGER_PUBLIC"]
    assert named == (public if said == "true" else [])


def test_no_role_is_a_basic_or_an_administrators_one(deployment: State) -> None:
    roles = {role.lower() for _, role, _ in grants(deployment)}
    assert not [role for role in roles if role in {"roles/owner", "roles/editor", "roles/viewer"} or "admin" in role]


def test_build_trigger_poller_schedule_and_events_each_work_as_their_own_account(
    smallest: State, largest: State, pubsub: State, eventarc: State
) -> None:
    for deployment, events in ((smallest, set()), (largest, set()), (pubsub, {"events"}), (eventarc, {"events"})):
        accounts = {account_name(item): item.values for item in deployment.all("google_service_account")}
        assert set(accounts) == {"build", "trigger", "poller", "scheduler"} | events
        for name in FUNCTIONS:
            function = deployment.function(name)
            assert function.service["service_account_email"] == accounts[name]["email"]
            assert function.values["build_config"][0]["service_account"] == accounts["build"]["name"]


def test_existing_accounts_are_used(existing_resources: State) -> None:
    account = "{}@shared-project.iam.gserviceaccount.com".format
    assert [account_name(item) for item in existing_resources.all("google_service_account")] == ["events"]
    for name in FUNCTIONS:
        function = existing_resources.function(name)
        assert function.service["service_account_email"] == account(name)
        built_as = function.values["build_config"][0]["service_account"]
        assert built_as == f"projects/shared-project/serviceAccounts/{account('builder')}"
    (job,) = existing_resources.all("google_cloud_scheduler_job")
    assert job.values["http_target"][0]["oidc_token"][0]["service_account_email"] == account("scheduler")


def test_an_invoker_is_granted_again_when_its_function_is_replaced() -> None:
    grant = r'^resource "google_cloud_run_v2_service_iam_member" "\w+" \{\n(.*?)^\}'
    blocks = [block for file in MODULE.glob("*.tf") for block in re.findall(grant, file.read_text(), re.M | re.S)]
    assert len(blocks) == 4
    for block in blocks:
        (function,) = re.findall(r"^  name += (google_cloudfunctions2_function\.\w+)\.name$", block, re.M)
        assert f"replace_triggered_by = [{function}.id]" in block
