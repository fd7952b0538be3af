"""Requests from topics: delivered to the trigger as the account that it believes, and none lost for being refused."""

import pytest

from tests.terraform.mocked import Resource, State


def event_auth(state: State) -> tuple[str, str]:
    """The account and the audience that the trigger expects of an event."""
    told = state.function("trigger").service["environment_variables"]
    return told["EVENT_SERVICE_ACCOUNT"], told["EVENT_AUDIENCE"]


def subscription(state: State, name: str) -> Resource:
    """The subscription of requests or of dead letters."""
    return state.one(f"google_pubsub_subscription.{name}[0]")


def test_nothing_of_it_is_there_unless_it_was_asked_for(smallest: State) -> None:
    assert smallest.all("google_pubsub_subscription") == []
    assert smallest.all("google_eventarc_trigger") == []
    assert [item.name for item in smallest.all("google_pubsub_topic")] == ["images"]
    assert "EVENT_SERVICE_ACCOUNT" not in smallest.function("trigger").service["environment_variables"]
    assert smallest.outputs.get("request_topic") is None
    assert smallest.outputs.get("dead_letter_subscription") is None


@pytest.mark.parametrize("deployed", ["pubsub", "largest"])
def test_a_message_is_pushed_with_the_token_that_the_trigger_expects(
    deployments: dict[str, State], deployed: str
) -> None:
    state = deployments[deployed]
    (push,) = subscription(state, "requests").values["push_config"]
    (token,) = push["oidc_token"]
    assert (token["service_account_email"], token["audience"]) == event_auth(state)
    name, location = state.function("trigger").values["name"], state.function("trigger").values["location"]
    assert push["push_endpoint"] == f"https://{name}-123456789012.{location}.run.app"
    assert "google_cloud_run_v2_service_iam_member.events_invoker" in subscription(state, "requests").depends_on


def test_what_is_not_given_is_the_account_and_the_address_that_there_are(pubsub: State, eventarc: State) -> None:
    for state in (pubsub, eventarc):
        account = state.one("google_service_account.events[0]").values["email"]
        assert event_auth(state) == (account, "https://wireflow-images-trigger-123456789012.us-central1.run.app")


def test_what_is_given_is_used(largest: State) -> None:
    assert event_auth(largest) == ("theirs@example-project.iam.gserviceaccount.com", "https://events.example.com")


def test_a_message_is_never_sent_again_while_it_is_still_answered(pubsub: State) -> None:
    timeout = pubsub.function("trigger").service["timeout_seconds"]
    assert subscription(pubsub, "requests").values["ack_deadline_seconds"] >= timeout


def test_a_message_that_is_refused_five_times_is_kept_for_a_month(pubsub: State) -> None:
    requests, kept = subscription(pubsub, "requests"), subscription(pubsub, "dead_letters")
    (policy,) = requests.values["dead_letter_policy"]
    assert policy["max_delivery_attempts"] == 5
    assert policy["dead_letter_topic"] == kept.values["topic"]
    assert kept.values["message_retention_duration"] == f"{31 * 86400}s"
    assert kept.values["push_config"] == []
    assert requests.values["retry_policy"] == [{"minimum_backoff": "30s", "maximum_backoff": "600s"}]
    # A topic keeps nothing for a subscription that comes later, and Pub/Sub moves nothing that it may not move.
    assert requests.depends_on >= {
        "google_pubsub_subscription.dead_letters",
        "google_pubsub_topic_iam_member.pubsub_gives_up",
    }


def test_no_subscription_ends_because_nothing_comes(pubsub: State, largest: State) -> None:
    for state in (pubsub, largest):
        ends = [item.values["expiration_policy"] for item in state.all("google_pubsub_subscription")]
        assert ends == [[{"ttl": ""}], [{"ttl": ""}]]


def test_the_topic_and_the_kept_messages_are_told(pubsub: State, eventarc: State) -> None:
    topic = pubsub.one("google_pubsub_topic.requests[0]").values["id"]
    assert pubsub.outputs["request_topic"] == topic == subscription(pubsub, "requests").values["topic"]
    assert pubsub.outputs["dead_letter_subscription"] == subscription(pubsub, "dead_letters").values["id"]
    assert eventarc.outputs["request_topic"] == eventarc.one("google_pubsub_topic.requests[0]").values["id"]
    assert eventarc.outputs.get("dead_letter_subscription") is None


@pytest.mark.parametrize(
    ("name", "topic"),
    [("eventarc", "projects/example-project/topics/requests"), ("largest", "projects/example-project/topics/theirs")],
)
def test_eventarc_takes_the_messages_of_a_topic_to_the_trigger(
    deployments: dict[str, State], name: str, topic: str
) -> None:
    state = deployments[name]
    (made,) = state.all("google_eventarc_trigger")
    (criterion,) = made.values["matching_criteria"]
    (service,) = made.values["destination"][0]["cloud_run_service"]
    trigger = state.function("trigger").values
    published = "google.cloud.pubsub.topic.v1.messagePublished"
    assert (criterion["attribute"], criterion["value"]) == ("type", published)
    assert made.values["transport"][0]["pubsub"][0]["topic"] == topic
    assert (service["service"], service["region"]) == (trigger["name"], trigger["location"])
    assert service["path"] is None
    assert made.values["service_account"] == event_auth(state)[0]
    assert "google_cloud_run_v2_service_iam_member.events_invoker" in made.depends_on


def test_the_api_of_eventarc_is_switched_on_with_it_alone(deployment: State) -> None:
    used = deployment.all("google_eventarc_trigger")
    deps = {item.values["service"] for item in deployment.all("google_project_service")}
    assert ("eventarc.googleapis.com" in deps) == bool(used)
    assert all("time_sleep.eventarc" in item.depends_on for item in used)
