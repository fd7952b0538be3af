# One deployment per environment. The platform team owns keys, secrets, accounts, channels, and the registry; this
# configuration creates none of them, and no secret passes through Terraform.

module "images" {
  source    = "../../modules/images"
  providers = { google = google, google.counted = google.counted }

  project_id = var.project_id
  region     = var.region
  name       = var.name
  labels     = merge(var.labels, { environment = var.environment })

  secret_ids            = var.secret_ids
  notification_channels = var.notification_channels
  kms_key               = var.kms_key
  docker_repository     = var.docker_repository
  service_accounts      = var.service_accounts

  database_name          = var.database_name
  delete_protection      = var.delete_protection
  point_in_time_recovery = var.point_in_time_recovery
  backup_retention_days  = var.backup_retention_days

  invokers         = var.invokers
  min_instances    = var.min_instances
  daily_executions = var.daily_executions
}
