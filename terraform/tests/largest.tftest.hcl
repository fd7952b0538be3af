# Every variable set, every option on. The resulting state is checked by tests/terraform/.

mock_provider "google" {
  source = "./tests/mocks"
}
mock_provider "google" {
  alias = "counted"
}
mock_provider "archive" {
  source = "./tests/mocks"
}
mock_provider "time" {}

variables {
  project_id = "example-project"
  webhook_id = "hook-kept-secret"
  api_key    = "key-kept-secret"

  # `terraform test` fails if an optional ephemeral variable is unset; plan and apply do not.
  # https://github.com/hashicorp/terraform/issues/38974

  region = "europe-west1"
  name   = "gallery"

  ingress                = "internal-and-load-balancing"
  restrict_build_account = false

  public   = true
  invokers = ["user:ada@example.com", "serviceAccount:site@example-project.iam.gserviceaccount.com"]

  pubsub_push    = true
  eventarc       = true
  eventarc_topic = "projects/example-project/topics/theirs"

  secrets_version          = 7
  secret_versions          = { api_key = 8 }
  secrets                  = ["trigger_tokens", "trigger_signing_secrets", "callback_signing_secrets", "turnstile_secret", "wireflow_workflows"]
  trigger_tokens           = <<-EOT
    {"zap": "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
     "owner": {"sha256": "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210", "admin": true}}
  EOT
  trigger_signing_secrets  = "{\"shop\": [\"whsec_c2VjcmV0LXRoYXQtbm9ib2R5LW1heS1zZWUhISEh\"]}"
  callback_signing_secrets = "{\"*\": [\"whsec_c2VjcmV0LWZvci1ub3RpZmljYXRpb25zLW9ubHkhISEh\"]}"
  turnstile_secret         = "turnstile-kept-secret"
  wireflow_workflows       = <<-EOT
    {"default": {"mode": "webhook", "id": "workflow-kept-secret", "pricePerImage": 0.1},
     "hook": {"mode": "webhook", "id": "workflow-kept-secret", "pricePerImage": {"1K": 0.1, "2K": 0.2}}}
  EOT

  min_instances = 1
  max_instances = 20

  create_database        = true
  database_name          = "jobs"
  database_location      = "eur3"
  delete_protection      = false
  point_in_time_recovery = true
  backup_retention_days  = 14

  image_retention_days = 365
  cors_origins         = ["https://example.com", "http://localhost:3000"]

  notification_emails = ["ada@example.com", "b@example.com", "c@example.com", "d@example.com", "e@example.com", "f@example.com"]
  runbook_url         = "https://git.example.com/images/terraform/README.md"
  billing_account     = "012345-6789AB-CDEF01"
  monthly_budget_usd  = 20

  public_url               = "https://images.example.com"
  wireflow_base_url        = "https://www.example.com/api/v1"
  wireflow_plan            = "pro"
  wireflow_models          = { dream = ["1K", "2K"], reverie = { resolutions = [], aspectRatios = ["1:8"], inputImages = 3 } }
  executions_per_minute    = 0
  daily_executions         = 500
  usd_per_credit           = 0.02
  daily_spend_usd          = 25
  monthly_spend_usd        = 300
  spend_per_10_minutes_usd = 2.5
  caller_limits            = { zap = { usdPerDay = 5, perDay = 100, maxQueued = 50 }, shop = { usdPerMonth = 20 } }
  on_unknown               = "hold"
  poll_window_seconds      = 50
  poll_idle_exit_seconds   = 1
  lease_seconds            = 20
  run_deadline_seconds     = 600
  max_image_bytes          = 104857600
  max_queue_hours          = 0.5
  max_queued_jobs          = 500
  retention_days           = 30
  image_hosts              = ["cdn.wireflow.ai", "localhost:8090"]

  form_origins          = ["https://example.com", "http://localhost:3000"]
  form_per_minute       = 2
  form_per_hour         = 0
  form_require_token    = true
  turnstile_site_key    = "0x4AAAAAAA"
  playground            = true
  trusted_proxies       = 1
  event_service_account = "theirs@example-project.iam.gserviceaccount.com"
  event_audience        = "https://events.example.com"
}

run "largest" {}
