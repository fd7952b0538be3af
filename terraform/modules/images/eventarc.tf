# Requests from a Pub/Sub topic through Eventarc, delivered as CloudEvents.

resource "google_project_service" "eventarc" {
  count = var.eventarc ? 1 : 0

  service            = "eventarc.googleapis.com"
  disable_on_destroy = false

  depends_on = [time_sleep.apis]
}

resource "time_sleep" "eventarc" {
  count = var.eventarc ? 1 : 0

  create_duration = "60s"

  depends_on = [google_project_service.eventarc]
}

# The account needs only its grant on the trigger: roles/eventarc.eventReceiver is for sources other than Pub/Sub.
# https://cloud.google.com/eventarc/docs/roles-permissions
resource "google_eventarc_trigger" "requests" {
  count = var.eventarc ? 1 : 0

  name            = "${var.name}-requests"
  location        = var.region
  service_account = local.event_account
  labels          = var.labels

  matching_criteria {
    attribute = "type"
    value     = "google.cloud.pubsub.topic.v1.messagePublished"
  }

  transport {
    pubsub {
      topic = var.eventarc_topic != null ? var.eventarc_topic : google_pubsub_topic.requests[0].id
    }
  }

  # The function's Cloud Run service has the function's name.
  destination {
    cloud_run_service {
      service = google_cloudfunctions2_function.trigger.name
      region  = var.region
    }
  }

  depends_on = [
    time_sleep.eventarc,
    google_cloud_run_v2_service_iam_member.events_invoker,
    google_service_account_iam_member.pubsub_signs,
  ]
}
