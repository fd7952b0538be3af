# The identity that sends events to the trigger, and the topic of requests. Delivery: pubsub.tf and eventarc.tf.

locals {
  sends_events = var.pubsub_push || var.eventarc
  has_events   = local.sends_events || var.event_service_account != null

  event_account  = var.event_service_account != null ? var.event_service_account : one(google_service_account.events[*].email)
  event_audience = coalesce(var.event_audience, local.trigger_address)
  event_auth     = local.has_events ? { EVENT_SERVICE_ACCOUNT = local.event_account, EVENT_AUDIENCE = local.event_audience } : {}

  # https://cloud.google.com/pubsub/docs/access-control#service-agents
  pubsub_agent = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
}

resource "google_service_account" "events" {
  count = local.sends_events && var.event_service_account == null ? 1 : 0

  account_id   = "${var.name}-events"
  display_name = "Sends events to the trigger of ${var.name}"

  depends_on = [time_sleep.apis]
}

# The Pub/Sub service agent creates the tokens, also for Eventarc. It has this role by default only in projects that
# enabled Pub/Sub after April 8, 2021. It exists once the project has a topic.
# https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions#configure_for_push_authentication
resource "google_service_account_iam_member" "pubsub_signs" {
  count = length(google_service_account.events)

  service_account_id = google_service_account.events[0].name
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = local.pubsub_agent

  depends_on = [google_pubsub_topic.images]
}

# On the Cloud Run service, and recreated with it: see trigger.tf.
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

# Each message is a request: the JSON body of a POST to the trigger.
resource "google_pubsub_topic" "requests" {
  #checkov:skip=CKV_GCP_83: a message is deleted once it has become a job; without kms_key a Google-managed key is enough
  count = var.pubsub_push || (var.eventarc && var.eventarc_topic == null) ? 1 : 0

  name         = "${var.name}-requests"
  kms_key_name = var.kms_key
  labels       = var.labels

  depends_on = [time_sleep.apis]
}
