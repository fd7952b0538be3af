# Written by `python -m tests.terraform.root` from modules/images: change it there.

module "images" {
  source = "./modules/images"

  providers = {
    google         = google
    google.counted = google.counted
  }

  project_id              = var.project_id
  webhook_id              = var.webhook_id
  api_key                 = var.api_key
  region                  = var.region
  name                    = var.name
  public                  = var.public
  invokers                = var.invokers
  secrets_version         = var.secrets_version
  pubsub_push             = var.pubsub_push
  eventarc                = var.eventarc
  eventarc_topic          = var.eventarc_topic
  min_instances           = var.min_instances
  max_instances           = var.max_instances
  create_database         = var.create_database
  database_name           = var.database_name
  database_location       = var.database_location
  delete_protection       = var.delete_protection
  point_in_time_recovery  = var.point_in_time_recovery
  backup_retention_days   = var.backup_retention_days
  image_retention_days    = var.image_retention_days
  cors_origins            = var.cors_origins
  notification_emails     = var.notification_emails
  billing_account         = var.billing_account
  monthly_budget_usd      = var.monthly_budget_usd
  public_url              = var.public_url
  wireflow_base_url       = var.wireflow_base_url
  wireflow_plan           = var.wireflow_plan
  wireflow_models         = var.wireflow_models
  executions_per_minute   = var.executions_per_minute
  daily_executions        = var.daily_executions
  on_unknown              = var.on_unknown
  poll_window_seconds     = var.poll_window_seconds
  poll_idle_exit_seconds  = var.poll_idle_exit_seconds
  lease_seconds           = var.lease_seconds
  run_deadline_seconds    = var.run_deadline_seconds
  max_image_bytes         = var.max_image_bytes
  max_queue_hours         = var.max_queue_hours
  retention_days          = var.retention_days
  image_hosts             = var.image_hosts
  form_origins            = var.form_origins
  form_per_minute         = var.form_per_minute
  form_per_hour           = var.form_per_hour
  form_require_token      = var.form_require_token
  trusted_proxies         = var.trusted_proxies
  event_service_account   = var.event_service_account
  event_audience          = var.event_audience
  secrets                 = var.secrets
  trigger_tokens          = var.trigger_tokens
  trigger_signing_secrets = var.trigger_signing_secrets
  turnstile_secret        = var.turnstile_secret
  wireflow_workflows      = var.wireflow_workflows
}
