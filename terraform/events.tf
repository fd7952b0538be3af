# Who sends events to the trigger, as which account. What is sent from here: pubsub.tf, eventarc.tf.

locals {
  sends_events = var.pubsub_push || var.eventarc
  has_events   = local.sends_events || var.event_service_account != null

  event_account  = var.event_service_account != null ? var.event_service_account : one(google_service_account.events[*].email)
  event_audience = coalesce(var.event_audience, local.trigger_address)
  event_door     = local.has_events ? { EVENT_SERVICE_ACCOUNT = local.event_account, EVENT_AUDIENCE = local.event_audience } : {}

  # https://cloud.google.com/pubsub/docs/access-control#service-agents
  pubsub_agent = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
}

resource "google_service_account" "events" {
  count = local.sends_events && var.event_service_account == null ? 1 : 0

  account_id   = "${var.name}-events"
  display_name = "Sends events to the trigger of ${var.name}"

  depends_on = [time_sleep.apis]
}

# Pub/Sub makes the tokens, for Eventarc too. It may do so by itself only where it has been in use since April 2021 or
# later. It exists as soon as there is a topic.
# https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions#configure_for_push_authentication
resource "google_service_account_iam_member" "pubsub_signs" {
  count = length(google_service_account.events)

  service_account_id = google_service_account.events[0].name
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = local.pubsub_agent

  depends_on = [google_pubsub_topic.images]
}

# On the Cloud Run service, and made again with it: see trigger.tf.
resource "google_cloud_run_v2_service_iam_member" "events_invoker" {
  count = local.has_events ? 1 : 0

  name     = google_cloudfunctions2_function.trigger.name
  location = var.region
  role     = "roles/run.invoker"
  member   = "serviceAccount:${local.event_account}"

  lifecycle {
    replace_triggered_by = [google_cloudfunctions2_function.trigger.id]
  }
}

# A message is a request: the JSON that would be posted.
resource "google_pubsub_topic" "requests" {
  #checkov:skip=CKV_GCP_83: a message is gone once it is a job; Google's own key is enough
  count = var.pubsub_push || (var.eventarc && var.eventarc_topic == null) ? 1 : 0

  name = "${var.name}-requests"

  depends_on = [time_sleep.apis]
}
