locals {
  has_tokens = contains(concat(var.secrets, keys(var.secret_ids)), "trigger_tokens")
}

output "trigger_url" {
  description = "URL of the trigger."
  value       = google_cloudfunctions2_function.trigger.service_config[0].uri
}

output "bucket" {
  description = "Bucket that the images are stored in."
  value       = google_storage_bucket.images.name
}

output "topic" {
  description = "Topic that receives a message for each stored image."
  value       = google_pubsub_topic.images.id
}

output "request_topic" {
  description = "Topic whose messages become jobs; null unless pubsub_push is set, or eventarc without eventarc_topic."
  value       = one(google_pubsub_topic.requests[*].id)
}

output "dead_letter_subscription" {
  description = "Subscription that keeps undeliverable messages for 31 days; null without pubsub_push."
  value       = one(google_pubsub_subscription.dead_letters[*].id)
}

output "first_request" {
  description = "Command that submits the first job. $TOKEN in it is the token of one of trigger_tokens."
  value = join(" ", compact([
    "curl -i ${google_cloudfunctions2_function.trigger.service_config[0].uri}",
    # Cloud Run reads the Google token from either header, and forwards Authorization if the token is in the other one.
    # https://cloud.google.com/run/docs/authenticating/service-to-service
    var.public ? "" : "-H \"${local.has_tokens ? "X-Serverless-Authorization" : "Authorization"}: Bearer $(gcloud auth print-identity-token)\"",
    local.has_tokens ? "-H \"Authorization: Bearer $TOKEN\"" : "",
    local.has_tokens || var.form_origins == null ? "" : "-H 'Origin: ${var.form_origins[0]}'",
    "-H 'Content-Type: application/json' -d '{\"prompt\": \"A red fox in the snow\"}'",
  ]))
}
