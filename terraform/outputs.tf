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

output "first_request" {
  description = "A command that posts the first job."
  value = join(" ", compact([
    "curl -i ${google_cloudfunctions2_function.trigger.service_config[0].uri}",
    var.public ? "" : "-H \"Authorization: Bearer $(gcloud auth print-identity-token)\"",
    "-H 'Content-Type: application/json' -d '{\"prompt\": \"A red fox in the snow\"}'",
  ]))
}
