# Every variable set, every option on. What the resulting state must look like: tests/terraform/.

mock_provider "google" {
  source = "./tests/mocks"
}
mock_provider "google" {
  alias = "counted"
}
mock_provider "archive" {}
mock_provider "time" {}

variables {
  project_id = "example-project"
  webhook_id = "hook-that-nobody-may-see"
  api_key    = "key-that-nobody-may-see"

  region = "europe-west1"
  name   = "pictures"

  public   = true
  invokers = ["user:ada@example.com", "serviceAccount:site@example-project.iam.gserviceaccount.com"]

  secrets_version = 7
  min_instances   = 1
  max_instances   = 20

  create_database        = true
  database_name          = "jobs"
  database_location      = "eur3"
  delete_protection      = false
  point_in_time_recovery = true
  backup_retention_days  = 14

  image_retention_days = 365
  cors_origins         = ["https://example.com", "http://localhost:3000"]

  notification_emails = ["ada@example.com", "b@example.com", "c@example.com", "d@example.com", "e@example.com", "f@example.com"]
  billing_account     = "012345-6789AB-CDEF01"
  monthly_budget_usd  = 20

  public_url             = "https://images.example.com"
  wireflow_base_url      = "https://www.example.com/api/v1"
  wireflow_plan          = "pro"
  executions_per_minute  = 0
  daily_executions       = 500
  on_unknown             = "hold"
  poll_window_seconds    = 50
  poll_idle_exit_seconds = 1
  lease_seconds          = 20
  run_deadline_seconds   = 600
  max_image_bytes        = 104857600
  max_queue_hours        = 0.5
  retention_days         = 30
  image_hosts            = ["cdn.wireflow.ai", "localhost:8090"]
}

run "largest" {}
