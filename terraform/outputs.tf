locals {
  has_tokens = contains(var.secrets, "trigger_tokens")
}

output "trigger_url" {
  description = "Where jobs are posted."
  value       = google_cloudfunctions2_function.trigger.service_config[0].uri
}

output "bucket" {
  description = "Where the images are stored."
  value       = google_storage_bucket.images.name
}

output "topic" {
  description = "Gets a message for each stored image."
  value       = google_pubsub_topic.images.id
}

output "request_topic" {
  description = "Each message to it becomes a job; null without pubsub_push, and without eventarc on a topic of its own."
  value       = one(google_pubsub_topic.requests[*].id)
}

output "dead_letter_subscription" {
  description = "Keeps for 31 days the messages that would not go through; null without pubsub_push."
  value       = one(google_pubsub_subscription.dead_letters[*].id)
}

output "first_request" {
  description = "A command that posts the first job. $TOKEN in it is one of trigger_tokens."
  value = join(" ", compact([
    "curl -i ${google_cloudfunctions2_function.trigger.service_config[0].uri}",
    # Cloud Run takes a token of Google's out of either header, and leaves Authorization alone if it is in the other.
    # https://cloud.google.com/run/docs/authenticating/service-to-service
    var.public ? "" : "-H \"${local.has_tokens ? "X-Serverless-Authorization" : "Authorization"}: Bearer $(gcloud auth print-identity-token)\"",
    local.has_tokens ? "-H \"Authorization: Bearer $TOKEN\"" : "",
    local.has_tokens || var.form_origins == null ? "" : "-H 'Origin: ${var.form_origins[0]}'",
    "-H 'Content-Type: application/json' -d '{\"prompt\": \"A red fox in the snow\"}'",
  ]))
}
