# Requests from a topic: each message is pushed to the trigger, and one that will not go through is kept aside.

resource "google_pubsub_subscription" "requests" {
  count = var.pubsub_push ? 1 : 0

  name                 = "${var.name}-requests"
  topic                = google_pubsub_topic.requests[0].id
  ack_deadline_seconds = 60 # the trigger's own timeout: a message is never sent again while it is still answered

  push_config {
    push_endpoint = local.trigger_address

    oidc_token {
      service_account_email = local.event_account
      audience              = local.event_audience
    }
  }

  # Five attempts last about seven minutes, and outlive a new deployment.
  retry_policy {
    minimum_backoff = "30s"
    maximum_backoff = "600s"
  }

  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.dead_letters[0].id
    max_delivery_attempts = 5
  }

  # The default is 31 days without a message.
  expiration_policy {
    ttl = ""
  }

  # A topic keeps nothing for a subscription that comes later.
  depends_on = [
    google_pubsub_subscription.dead_letters,
    google_pubsub_topic_iam_member.pubsub_gives_up,
    google_cloud_run_v2_service_iam_member.events_invoker,
    google_service_account_iam_member.pubsub_signs,
  ]
}

resource "google_pubsub_topic" "dead_letters" {
  #checkov:skip=CKV_GCP_83: prompts that were refused, for 31 days; Google's own key is enough
  count = var.pubsub_push ? 1 : 0

  name = "${var.name}-dead-letters"

  depends_on = [time_sleep.apis]
}

resource "google_pubsub_subscription" "dead_letters" {
  count = var.pubsub_push ? 1 : 0

  name                       = "${var.name}-dead-letters"
  topic                      = google_pubsub_topic.dead_letters[0].id
  ack_deadline_seconds       = 60
  message_retention_duration = "${31 * 24 * 60 * 60}s" # the most there is

  expiration_policy {
    ttl = ""
  }
}

# Pub/Sub itself moves a message: it publishes it there and takes it from here. Without these it says nothing and tries
# for ever. https://cloud.google.com/pubsub/docs/handling-failures#grant_forwarding_permissions
resource "google_pubsub_topic_iam_member" "pubsub_gives_up" {
  count = var.pubsub_push ? 1 : 0

  topic  = google_pubsub_topic.dead_letters[0].id
  role   = "roles/pubsub.publisher"
  member = local.pubsub_agent
}

resource "google_pubsub_subscription_iam_member" "pubsub_gives_up" {
  count = var.pubsub_push ? 1 : 0

  subscription = google_pubsub_subscription.requests[0].name
  role         = "roles/pubsub.subscriber"
  member       = local.pubsub_agent
}
