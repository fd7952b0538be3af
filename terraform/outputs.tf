# Written by `python -m tests.terraform.root` from modules/images: change it there.

output "trigger_url" {
  description = "URL of the trigger."
  value       = module.images.trigger_url
}

output "bucket" {
  description = "Bucket that the images are stored in."
  value       = module.images.bucket
}

output "topic" {
  description = "Topic that receives a message for each stored image."
  value       = module.images.topic
}

output "request_topic" {
  description = "Topic whose messages become jobs; null unless pubsub_push is set, or eventarc without eventarc_topic."
  value       = module.images.request_topic
}

output "dead_letter_subscription" {
  description = "Subscription that keeps undeliverable messages for 31 days; null without pubsub_push."
  value       = module.images.dead_letter_subscription
}

output "first_request" {
  description = "Command that submits the first job. $TOKEN in it is the token of one of trigger_tokens."
  value       = module.images.first_request
}
