# Requests from a Pub/Sub topic: messages are pushed to the trigger; undeliverable ones go to a dead-letter topic.

resource "google_pubsub_subscription" "requests" {
  count = var.pubsub_push ? 1 : 0

  name                 = "${var.name}-requests"
  topic                = google_pubsub_topic.requests[0].id
  labels               = var.labels
  ack_deadline_seconds = 60 # the trigger's timeout: a message is never redelivered while it is being processed

  push_config {
    push_endpoint = local.trigger_address

    oidc_token {
      service_account_email = local.event_account
      audience              = local.event_audience
    }
  }

  # Five attempts take about seven minutes, longer than a deployment.
  retry_policy {
    minimum_backoff = "30s"
    maximum_backoff = "600s"
  }

  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.dead_letters[0].id
    max_delivery_attempts = 5
  }

  # Never expires; by default a subscription is deleted after 31 days without activity.
  expiration_policy {
    ttl = ""
  }

  # Messages published before a subscription exists are lost to it.
  depends_on = [
    google_pubsub_subscription.dead_letters,
    google_pubsub_topic_iam_member.pubsub_gives_up,
    google_cloud_run_v2_service_iam_member.events_invoker,
    google_service_account_iam_member.pubsub_signs,
  ]
}

resource "google_pubsub_topic" "dead_letters" {
  #checkov:skip=CKV_GCP_83: rejected requests, kept for 31 days; without kms_key a Google-managed key is enough
  count = var.pubsub_push ? 1 : 0

  name         = "${var.name}-dead-letters"
  kms_key_name = var.kms_key
  labels       = var.labels

  depends_on = [time_sleep.apis]
}

resource "google_pubsub_subscription" "dead_letters" {
  count = var.pubsub_push ? 1 : 0

  name                       = "${var.name}-dead-letters"
  topic                      = google_pubsub_topic.dead_letters[0].id
  labels                     = var.labels
  ack_deadline_seconds       = 60
  message_retention_duration = "${31 * 24 * 60 * 60}s" # the maximum

  expiration_policy {
    ttl = ""
  }
}

# The Pub/Sub service agent forwards dead letters: it publishes to one topic and acknowledges on the other. Without these
# grants it retries indefinitely, without an error.
# https://cloud.google.com/pubsub/docs/handling-failures#grant_forwarding_permissions
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
