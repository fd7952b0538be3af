output "trigger_url" {
  description = "URL of the trigger."
  value       = module.images.trigger_url
}

output "first_request" {
  description = "Command that submits the first job."
  value       = module.images.first_request
}
