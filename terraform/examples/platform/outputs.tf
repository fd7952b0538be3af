output "trigger_url" {
  description = "URL of the trigger."
  value       = module.images.trigger_url
}

output "bucket" {
  description = "Bucket that the images are stored in."
  value       = module.images.bucket
}
