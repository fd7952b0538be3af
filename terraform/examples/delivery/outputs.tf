output "state_bucket" {
  description = "Bucket of the Terraform state."
  value       = google_storage_bucket.state.name
}

output "workload_identity_provider" {
  description = "Value of the repository's variable WORKLOAD_IDENTITY_PROVIDER."
  value       = google_iam_workload_identity_pool_provider.github.name
}

output "planner" {
  description = "Value of the repository's variable PLANNER."
  value       = google_service_account.pipeline["planner"].email
}

output "deployer" {
  description = "Value of the repository's variable DEPLOYER."
  value       = google_service_account.pipeline["deployer"].email
}
