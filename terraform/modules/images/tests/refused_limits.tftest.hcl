# Spend limits that are rejected; see refused.tftest.hcl.

mock_provider "google" {}
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
  trigger_tokens           = ""
  trigger_signing_secrets  = ""
  callback_signing_secrets = ""
  turnstile_secret         = ""
  wireflow_workflows       = ""
}

run "limits_in_dollars_without_workflows" {
  command = plan

  variables {
    daily_spend_usd          = 25
    monthly_spend_usd        = 300
    spend_per_10_minutes_usd = 2.5
    caller_limits            = { zap = { usdPerDay = 5 } }
  }

  expect_failures = [var.daily_spend_usd, var.monthly_spend_usd, var.spend_per_10_minutes_usd, var.caller_limits]
}

run "limits_below_zero" {
  command = plan

  variables {
    secret_ids               = { wireflow_workflows = "projects/p/secrets/s" }
    daily_spend_usd          = -1
    monthly_spend_usd        = -1
    spend_per_10_minutes_usd = -1
    caller_limits            = { zap = { usdPerDay = -1 } }
  }

  expect_failures = [var.daily_spend_usd, var.monthly_spend_usd, var.spend_per_10_minutes_usd, var.caller_limits]
}

run "limits_below_a_millionth_of_a_dollar" {
  command = plan

  variables {
    secret_ids               = { wireflow_workflows = "projects/p/secrets/s" }
    daily_spend_usd          = 0.0000001
    monthly_spend_usd        = 0.0000001
    spend_per_10_minutes_usd = 0.0000001
    caller_limits            = { zap = { usdPerDay = 0.0000001 } }
  }

  expect_failures = [var.daily_spend_usd, var.monthly_spend_usd, var.spend_per_10_minutes_usd, var.caller_limits]
}

run "limits_above_the_maximum" {
  command = plan

  variables {
    secret_ids               = { wireflow_workflows = "projects/p/secrets/s" }
    daily_spend_usd          = 100000001
    monthly_spend_usd        = 100000001
    spend_per_10_minutes_usd = 100000001
    caller_limits            = { zap = { usdPerMonth = 100000001 } }
  }

  expect_failures = [var.daily_spend_usd, var.monthly_spend_usd, var.spend_per_10_minutes_usd, var.caller_limits]
}
