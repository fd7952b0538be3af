# What each variable refuses. Several bad values a run: a run fails unless every variable that it names refuses its own.
# A validation that looks at a second variable is not reached while that one is refused itself.

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
}

run "empty_or_below_the_least" {
  command = plan

  variables {
    project_id             = ""
    webhook_id             = " "
    api_key                = "\n"
    region                 = ""
    name                   = "ab"
    invokers               = [""]
    secrets_version        = 0
    min_instances          = -1
    database_name          = ""
    database_location      = ""
    backup_retention_days  = 0
    image_retention_days   = 0
    cors_origins           = [""]
    notification_emails    = [""]
    billing_account        = ""
    public_url             = ""
    wireflow_base_url      = ""
    wireflow_plan          = ""
    executions_per_minute  = -1
    daily_executions       = -1
    on_unknown             = ""
    poll_window_seconds    = 9
    poll_idle_exit_seconds = 0
    lease_seconds          = 19
    run_deadline_seconds   = 0
    max_image_bytes        = 0
    max_queue_hours        = 0
    retention_days         = 0
    image_hosts            = []
  }

  expect_failures = [
    var.project_id, var.webhook_id, var.api_key, var.region, var.name, var.invokers, var.secrets_version,
    var.min_instances, var.database_name, var.database_location, var.backup_retention_days,
    var.image_retention_days, var.cors_origins, var.notification_emails, var.billing_account,
    var.public_url, var.wireflow_base_url, var.wireflow_plan, var.executions_per_minute, var.daily_executions,
    var.on_unknown, var.poll_window_seconds, var.poll_idle_exit_seconds, var.lease_seconds, var.run_deadline_seconds,
    var.max_image_bytes, var.max_queue_hours, var.retention_days, var.image_hosts,
  ]
}

run "the_wrong_kind_or_above_the_most" {
  command = plan

  variables {
    project_id             = "123456789012"
    region                 = "us-central1-a"
    name                   = "a-name-of-21-letters-"
    invokers               = ["allUsers"]
    secrets_version        = 1.5
    min_instances          = 3
    max_instances          = 2
    database_name          = "Jobs"
    database_location      = "US"
    backup_retention_days  = 99
    image_retention_days   = 0.5
    cors_origins           = ["https://*.example.com"]
    notification_emails    = ["ada"]
    monthly_budget_usd     = 9.99
    public_url             = "http://images.example.com"
    wireflow_base_url      = "http://www.wireflow.ai/api/v1"
    wireflow_plan          = "premium"
    executions_per_minute  = 1.5
    daily_executions       = 1.5
    on_unknown             = "give up"
    poll_window_seconds    = 1501
    poll_idle_exit_seconds = 1.5
    lease_seconds          = 20.5
    run_deadline_seconds   = 1.5
    max_image_bytes        = 1.5
    max_queue_hours        = -1
    retention_days         = 1.5
    image_hosts            = ["https://cdn.wireflow.ai"]
  }

  expect_failures = [
    var.project_id, var.region, var.name, var.invokers, var.secrets_version, var.max_instances, var.database_name,
    var.database_location, var.backup_retention_days, var.image_retention_days, var.cors_origins,
    var.notification_emails, var.monthly_budget_usd, var.public_url, var.wireflow_base_url,
    var.wireflow_plan, var.executions_per_minute, var.daily_executions, var.on_unknown, var.poll_window_seconds,
    var.poll_idle_exit_seconds, var.lease_seconds, var.run_deadline_seconds, var.max_image_bytes, var.max_queue_hours,
    var.retention_days, var.image_hosts,
  ]
}

run "other_ways_to_be_wrong" {
  command = plan

  variables {
    name                = "With_Capitals"
    invokers            = ["user:ada@example.com", "ada@example.com"]
    max_instances       = 0
    cors_origins        = ["https://example.com/"]
    image_hosts         = ["*.wireflow.ai"]
    monthly_budget_usd  = 20 # without a billing account
    poll_window_seconds = 20.5
  }

  expect_failures = [
    var.name, var.invokers, var.max_instances, var.cors_origins, var.image_hosts, var.monthly_budget_usd, var.poll_window_seconds,
  ]
}
