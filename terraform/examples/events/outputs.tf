output "request_topic" {
  description = "Topic whose messages become jobs; undeliverable ones are kept for 31 days."
  value       = module.images.request_topic
}

output "dead_letter_subscription" {
  description = "Subscription with the undeliverable messages of request_topic."
  value       = module.images.dead_letter_subscription
}

output "stored_topic" {
  description = "Topic that receives a message for each stored image."
  value       = module.images.topic
}
