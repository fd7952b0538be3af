"""The database and the buckets: closed to the world, indexed for our queries, kept or taken away as asked."""

from tests.terraform.mocked import FUNCTIONS, State
from tests.terraform.queries import CALLS, methods_with_a_query, needed


def test_every_query_of_the_store_is_looked_at() -> None:
    assert set(CALLS) == methods_with_a_query()
    assert {(("dueAt", "ASCENDING"),), (("queueAt", "ASCENDING"),)} < needed()


def test_exactly_the_fields_by_which_jobs_are_found_alone_have_an_index_and_all_others_have_none(
    deployment: State,
) -> None:
    declared = {
        item.values["field"]: [index["order"] for index in item.values["index_config"][0]["indexes"]]
        for item in deployment.all("google_firestore_field")
        if item.values["collection"] == "jobs"
    }
    alone = {index[0][0]: [index[0][1]] for index in needed() if len(index) == 1}
    assert declared == alone | {"*": [], "expireAt": []}


def test_nothing_of_a_batch_has_an_index_for_it_is_read_by_its_id(deployment: State) -> None:
    fields = [item for item in deployment.all("google_firestore_field") if item.values["collection"] == "batches"]
    assert {item.values["field"]: item.values["index_config"][0]["indexes"] for item in fields} == {
        "*": [],
        "expireAt": [],
    }


def test_destroy_deletes_no_field_but_the_database_with_all_of_them(deployment: State) -> None:
    fields = deployment.all("google_firestore_field")
    assert {item.values["deletion_policy"] for item in fields} == {"ABANDON"}


def test_nothing_is_configured_in_a_database_that_was_just_created(deployment: State) -> None:
    kinds = {"google_firestore_field", "google_firestore_index", "google_firestore_backup_schedule"}
    kinds |= {"google_firebaserules_ruleset", "google_firebaserules_release"}
    configured = [item for item in deployment.resources if item.type in kinds]
    created = deployment.all("google_firestore_database")
    waits = [
        item.values["create_duration"]
        for item in deployment.resources
        if item.name == "database" and item.type == "time_sleep"
    ]
    assert waits == (["30s"] if created else [])
    assert [item.address for item in configured if created and "time_sleep.database" not in item.depends_on] == []


def test_queries_by_several_fields_have_their_indexes_and_no_others_exist(deployment: State) -> None:
    declared = [
        tuple((field["field_path"], field["order"]) for field in item.values["fields"])
        for item in deployment.all("google_firestore_index")
    ]
    assert sorted(declared) == sorted(index for index in needed() if len(index) > 1)


def test_firestore_deletes_jobs_and_batches_that_have_expired(deployment: State) -> None:
    expiring = [item.values for item in deployment.all("google_firestore_field") if item.values["ttl_config"]]
    assert {(values["collection"], values["field"]) for values in expiring} == {
        ("jobs", "expireAt"),
        ("batches", "expireAt"),
    }


def test_every_setting_of_the_database_is_for_the_database_in_use(largest: State, existing_database: State) -> None:
    for state, name in ((largest, "jobs"), (existing_database, "theirs")):
        fields_and_indexes = state.all("google_firestore_field") + state.all("google_firestore_index")
        assert {item.values["collection"] for item in fields_and_indexes} == {"jobs", "batches"}
        parts = fields_and_indexes + state.all("google_firestore_backup_schedule")
        assert {item.values["database"] for item in parts} == {name}


def test_the_options_of_the_database_are_what_was_asked_for(smallest: State, largest: State) -> None:
    (plain,), (full,) = (state.all("google_firestore_database") for state in (smallest, largest))
    assert (plain.values["name"], plain.values["location_id"]) == ("(default)", "us-central1")
    assert plain.values["point_in_time_recovery_enablement"] == "POINT_IN_TIME_RECOVERY_DISABLED"
    assert smallest.all("google_firestore_backup_schedule") == []
    assert (full.values["name"], full.values["location_id"]) == ("jobs", "eur3")
    assert full.values["point_in_time_recovery_enablement"] == "POINT_IN_TIME_RECOVERY_ENABLED"
    (backups,) = largest.all("google_firestore_backup_schedule")
    assert backups.values["retention"] == f"{14 * 86400}s"


def test_no_browser_or_phone_reads_the_database(smallest: State, largest: State) -> None:
    for state, name in ((smallest, "cloud.firestore"), (largest, "cloud.firestore/jobs")):
        (rules,) = state.all("google_firebaserules_ruleset")
        (release,) = state.all("google_firebaserules_release")
        content = rules.values["source"][0]["files"][0]["content"]
        assert content.count("allow") == 1
        assert "allow read, write: if false;" in content
        assert (release.values["name"], release.values["ruleset_name"]) == (name, rules.values["name"])


def test_no_bucket_can_be_made_public(deployment: State) -> None:
    buckets = deployment.all("google_storage_bucket")
    assert {item.name for item in buckets} == {"images", "sources"}
    for bucket in buckets:
        assert bucket.values["uniform_bucket_level_access"] is True
        assert bucket.values["public_access_prevention"] == "enforced"


def lifecycle(state: State) -> dict[tuple[str, str], int]:
    """What happens to the objects under which prefix, and after how many days."""
    rules = state.one("google_storage_bucket.images").values["lifecycle_rule"]
    return {
        (rule["action"][0]["type"], ",".join(rule["condition"][0]["matches_prefix"] or ())): rule["condition"][0]["age"]
        for rule in rules
    }


def test_an_image_is_deleted_only_if_it_was_asked_for(smallest: State, largest: State) -> None:
    always = {("AbortIncompleteMultipartUpload", ""): 1}
    assert lifecycle(smallest) == always | {("Delete", "inputs/"): 11}
    assert lifecycle(largest) == always | {("Delete", "inputs/"): 9, ("Delete", "jobs/"): 365}


def test_an_input_image_is_deleted_long_after_its_job_has_ended(deployment: State) -> None:
    told = deployment.function("poller").service["environment_variables"]
    hours = float(told.get("MAX_QUEUE_HOURS", 72))
    assert lifecycle(deployment)["Delete", "inputs/"] * 24 >= hours + 7 * 24


def test_no_one_is_notified_of_an_input_image(deployment: State) -> None:
    (notification,) = deployment.all("google_storage_notification")
    assert not "inputs/".startswith(notification.values["object_name_prefix"])


def test_a_deleted_image_can_be_had_back_for_a_week(deployment: State) -> None:
    (policy,) = deployment.one("google_storage_bucket.images").values["soft_delete_policy"]
    assert policy["retention_duration_seconds"] == 7 * 86400


def test_only_the_pages_that_were_named_may_read_by_script(smallest: State, largest: State) -> None:
    assert smallest.one("google_storage_bucket.images").values["cors"] == []
    (cors,) = largest.one("google_storage_bucket.images").values["cors"]
    assert (cors["origin"], cors["method"]) == (["https://example.com", "http://localhost:3000"], ["GET", "HEAD"])


def test_each_new_image_is_told_to_the_topic(deployment: State) -> None:
    (notification,) = deployment.all("google_storage_notification")
    assert notification.values["bucket"] == deployment.outputs["bucket"]
    assert notification.values["topic"] == deployment.outputs["topic"]
    assert notification.values["event_types"] == ["OBJECT_FINALIZE"]
    assert notification.values["object_name_prefix"] == "jobs/"
    assert "google_pubsub_topic_iam_member.storage_publishes" in notification.depends_on


def test_a_protected_deployment_keeps_its_jobs_and_images(smallest: State) -> None:
    (database,) = smallest.all("google_firestore_database")
    assert database.values["delete_protection_state"] == "DELETE_PROTECTION_ENABLED"
    assert smallest.one("google_storage_bucket.images").values["force_destroy"] is False


def test_an_unprotected_one_leaves_nothing_behind(largest: State) -> None:
    (database,) = largest.all("google_firestore_database")
    assert database.values["delete_protection_state"] == "DELETE_PROTECTION_DISABLED"
    assert database.values["deletion_policy"] == "DELETE"  # the one whose default is ABANDON
    assert all(bucket.values["force_destroy"] is True for bucket in largest.all("google_storage_bucket"))
    kept = {"ABANDON", "PREVENT", "DISABLE"}
    left = {item.type for item in largest.resources if item.values.get("deletion_policy") in kept}
    assert left == {"google_firestore_field", "google_secret_manager_secret_version"}  # parts of what is deleted


def test_a_key_encrypts_buckets_database_topics_and_secrets(existing_resources: State, largest: State) -> None:
    key = "projects/keys/locations/us-central1/keyRings/ring/cryptoKeys/key"
    buckets = existing_resources.all("google_storage_bucket")
    assert [item.values["encryption"][0]["default_kms_key_name"] for item in buckets] == [key, key]
    (database,) = existing_resources.all("google_firestore_database")
    assert database.values["cmek_config"][0]["kms_key_name"] == key
    topics = existing_resources.all("google_pubsub_topic")
    assert {item.name: item.values["kms_key_name"] for item in topics} == dict.fromkeys(
        ("images", "requests", "dead_letters"), key
    )
    (secret,) = existing_resources.all("google_secret_manager_secret")
    (replication,) = secret.values["replication"]
    replica = {"location": "us-central1", "customer_managed_encryption": [{"kms_key_name": key}]}
    assert (replication["auto"], replication["user_managed"]) == ([], [{"replicas": [replica]}])
    assert {
        str(item.values["replication"][0]["user_managed"]) for item in largest.all("google_secret_manager_secret")
    } == {"[]"}


def test_labels_are_on_everything_that_has_labels(existing_resources: State) -> None:
    labels = {"team": "web", "cost-center": "42"}
    made = [item for item in existing_resources.resources if not item.address.startswith("data.")]
    found = {item.address: item.values.get("user_labels", item.values.get("labels", labels)) for item in made}
    bare = [address for address, its in found.items() if its != labels]
    assert bare == []


def test_builds_use_the_repository_that_exists(existing_resources: State, smallest: State) -> None:
    repository = "projects/example-project/locations/us-central1/repositories/ours"
    for name in FUNCTIONS:
        (build,) = existing_resources.function(name).values["build_config"]
        assert build["docker_repository"] == repository
        assert smallest.function(name).values["build_config"][0]["docker_repository"] != repository
