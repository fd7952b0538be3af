# Values that each variable rejects. A run has several bad values and fails unless every variable in expect_failures
# rejects its own. A validation that refers to a second variable is not evaluated while that variable is invalid.

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
  webhook_id = "hook-kept-secret"
  api_key    = "key-kept-secret"

  # `terraform test` fails if an optional ephemeral variable is unset; plan and apply do not.
  # https://github.com/hashicorp/terraform/issues/38974
  trigger_tokens          = ""
  trigger_signing_secrets = ""
  turnstile_secret        = ""
  wireflow_workflows      = ""
}

run "empty_or_below_minimum" {
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
    max_queued_jobs        = -1
    retention_days         = 0
    image_hosts            = []
    wireflow_models        = {}
    secrets                = ["webhook_id"]
    eventarc_topic         = ""
    form_origins           = []
    form_per_minute        = -1
    form_per_hour          = -1
    trusted_proxies        = -1
    event_service_account  = ""
  }

  expect_failures = [
    var.project_id, var.webhook_id, var.api_key, var.region, var.name, var.invokers, var.secrets_version,
    var.min_instances, var.database_name, var.database_location, var.backup_retention_days,
    var.image_retention_days, var.cors_origins, var.notification_emails, var.billing_account,
    var.public_url, var.wireflow_base_url, var.wireflow_plan, var.executions_per_minute, var.daily_executions,
    var.on_unknown, var.poll_window_seconds, var.poll_idle_exit_seconds, var.lease_seconds, var.run_deadline_seconds,
    var.max_image_bytes, var.max_queue_hours, var.max_queued_jobs, var.retention_days, var.image_hosts,
    var.wireflow_models, var.secrets,
    var.eventarc_topic, var.form_origins, var.form_per_minute, var.form_per_hour, var.trusted_proxies,
    var.event_service_account,
  ]
}

run "wrong_type_or_above_maximum" {
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
    max_queued_jobs        = 1.5
    retention_days         = 1.5
    image_hosts            = ["https://cdn.wireflow.ai"]
    wireflow_models        = { dream = [] }
    eventarc               = true
    eventarc_topic         = "theirs"
    form_origins           = ["https://*.example.com"]
    form_per_minute        = 1.5
    form_per_hour          = 1.5
    trusted_proxies        = 1.5
    event_service_account  = "ada@example.com"

    secrets                 = ["trigger_tokens", "trigger_signing_secrets", "turnstile_secret", "wireflow_workflows"]
    trigger_tokens          = "{\"zap\": \"the token itself\"}"
    trigger_signing_secrets = "{\"shop\": [\"secret\"]}"
    turnstile_secret        = "two words"
    wireflow_workflows      = "{\"hook\": {\"mode\": \"wait\", \"id\": \"1\"}}"
  }

  expect_failures = [
    var.project_id, var.region, var.name, var.invokers, var.secrets_version, var.max_instances, var.database_name,
    var.database_location, var.backup_retention_days, var.image_retention_days, var.cors_origins,
    var.notification_emails, var.monthly_budget_usd, var.public_url, var.wireflow_base_url,
    var.wireflow_plan, var.executions_per_minute, var.daily_executions, var.on_unknown, var.poll_window_seconds,
    var.poll_idle_exit_seconds, var.lease_seconds, var.run_deadline_seconds, var.max_image_bytes, var.max_queue_hours,
    var.max_queued_jobs, var.retention_days, var.image_hosts, var.wireflow_models, var.eventarc_topic, var.form_origins, var.form_per_minute,
    var.form_per_hour, var.trusted_proxies, var.event_service_account, var.trigger_tokens, var.trigger_signing_secrets,
    var.turnstile_secret, var.wireflow_workflows,
  ]
}

run "other_invalid_values" {
  command = plan

  variables {
    name                = "With_Capitals"
    invokers            = ["user:ada@example.com", "ada@example.com"]
    max_instances       = 0
    cors_origins        = ["https://example.com/"]
    image_hosts         = ["*.wireflow.ai"]
    monthly_budget_usd  = 20 # without a billing account
    poll_window_seconds = 20.5
    wireflow_models     = { Dream = ["1K"] }
    form_origins        = ["https://example.com/"]
    eventarc_topic      = "projects/p/topics/t"        # without eventarc
    event_audience      = "https://images.example.com" # without a sender of events

    # Two secrets without a value, two values that secrets does not name.
    secrets                 = ["trigger_tokens", "turnstile_secret"]
    trigger_signing_secrets = "{\"shop\": [\"whsec_c2VjcmV0\"]}"
    wireflow_workflows      = "{\"hook\": {\"mode\": \"run\", \"id\": \"1\"}}"
  }

  expect_failures = [
    var.name, var.invokers, var.max_instances, var.cors_origins, var.image_hosts, var.monthly_budget_usd, var.poll_window_seconds,
    var.wireflow_models, var.form_origins, var.eventarc_topic, var.event_audience, var.trigger_tokens,
    var.trigger_signing_secrets, var.turnstile_secret, var.wireflow_workflows,
  ]
}

run "unknown_field_of_a_model" {
  command = plan
  variables { wireflow_models = { dream = { sizes = ["1K"] } } }
  expect_failures = [var.wireflow_models]
}

run "half_an_input_image" {
  command = plan
  variables { wireflow_models = { dream = { inputImages = 0.5 } } }
  expect_failures = [var.wireflow_models]
}

run "not_a_ratio" {
  command = plan
  variables { wireflow_models = { dream = { aspectRatios = ["wide"] } } }
  expect_failures = [var.wireflow_models]
}

run "not_json" {
  command = plan

  variables {
    secrets                 = ["trigger_tokens", "trigger_signing_secrets", "wireflow_workflows"]
    trigger_tokens          = "zap"
    trigger_signing_secrets = "[]"
    wireflow_workflows      = "{}"
  }

  expect_failures = [var.trigger_tokens, var.trigger_signing_secrets, var.wireflow_workflows]
}

# Neither Turnstile nor workflows authenticate a caller.
run "public_without_authentication" {
  command = plan

  variables {
    public             = true
    secrets            = ["turnstile_secret", "wireflow_workflows"]
    turnstile_secret   = "word"
    wireflow_workflows = "{\"hook\": {\"mode\": \"run\", \"id\": \"1\"}}"
  }

  expect_failures = [var.public]
}

run "one_topic_delivered_twice" {
  command = plan

  variables {
    pubsub_push    = true
    eventarc       = true
    event_audience = "two words"
  }

  expect_failures = [var.eventarc_topic, var.event_audience]
}

run "jobs_that_expire_before_they_are_final" {
  command = plan

  variables {
    retention_days = 4
  }

  expect_failures = [google_firestore_field.expire_at]
}
