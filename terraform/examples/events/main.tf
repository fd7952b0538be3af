# Jobs from messages: an own topic with dead letters, and an existing topic through Eventarc.

module "images" {
  source    = "../../modules/images"
  providers = { google = google, google.counted = google.counted }

  project_id = var.project_id
  region     = var.region
  webhook_id = var.webhook_id
  api_key    = var.api_key

  pubsub_push = true

  # The name is known before the topic exists, so that the module can decide what to create.
  eventarc       = true
  eventarc_topic = "projects/${var.project_id}/topics/${google_pubsub_topic.orders.name}"

  daily_executions    = var.daily_executions
  notification_emails = var.notification_emails
}

resource "google_project_service" "pubsub" {
  service            = "pubsub.googleapis.com"
  disable_on_destroy = false
}

resource "time_sleep" "pubsub" {
  create_duration = "60s"

  depends_on = [google_project_service.pubsub]
}

# The topic of another system. Here it stands for one that exists already.
resource "google_pubsub_topic" "orders" {
  #checkov:skip=CKV_GCP_83: a message is deleted once it has become a job
  name = var.orders_topic

  depends_on = [time_sleep.pubsub]
}

# Everyone who can publish can spend credits.
resource "google_pubsub_topic_iam_member" "requests" {
  for_each = toset(var.publishers)

  topic  = module.images.request_topic
  role   = "roles/pubsub.publisher"
  member = each.key
}

resource "google_pubsub_topic_iam_member" "orders" {
  for_each = toset(var.publishers)

  topic  = google_pubsub_topic.orders.name
  role   = "roles/pubsub.publisher"
  member = each.key
}
