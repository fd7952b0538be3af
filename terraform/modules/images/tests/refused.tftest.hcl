# Values that each variable rejects. A run has several bad values and fails unless every variable in expect_failures
# rejects its own. No validation of a variable is evaluated while another variable that one of them refers to is invalid.

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

run "empty" {
  command = plan

  variables {
    project_id            = ""
    webhook_id            = " "
    api_key               = "\n"
    region                = ""
    name                  = "ab"
    invokers              = [""]
    database_name         = ""
    database_location     = ""
    cors_origins          = [""]
    notification_emails   = [""]
    runbook_url           = ""
    billing_account       = ""
    public_url            = ""
    wireflow_base_url     = ""
    wireflow_plan         = ""
    usd_per_credit        = 0
    on_unknown            = ""
    max_queue_hours       = 0
    image_hosts           = []
    wireflow_models       = {}
    secrets               = ["webhook_id"]
    eventarc_topic        = ""
    form_origins          = []
    event_service_account = ""
  }

  expect_failures = [
    var.project_id, var.webhook_id, var.api_key, var.region, var.name, var.invokers, var.database_name,
    var.database_location, var.cors_origins, var.notification_emails, var.runbook_url, var.billing_account, var.public_url,
    var.wireflow_base_url, var.wireflow_plan, var.usd_per_credit, var.on_unknown, var.max_queue_hours, var.image_hosts,
    var.wireflow_models, var.secrets, var.eventarc_topic, var.form_origins, var.event_service_account,
  ]
}

run "wrong_form" {
  command = plan

  variables {
    project_id            = "123456789012"
    region                = "us-central1-a"
    name                  = "a-name-of-21-letters-"
    invokers              = ["allUsers"]
    database_name         = "Jobs"
    database_location     = "US"
    cors_origins          = ["https://*.example.com"]
    notification_emails   = ["ada"]
    public_url            = "http://images.example.com"
    wireflow_base_url     = "http://www.wireflow.ai/api/v1"
    wireflow_plan         = "premium"
    usd_per_credit        = 1001
    on_unknown            = "give up"
    max_queue_hours       = -1
    image_hosts           = ["https://cdn.wireflow.ai"]
    wireflow_models       = { dream = [] }
    eventarc              = true
    eventarc_topic        = "theirs"
    form_origins          = ["https://*.example.com"]
    event_service_account = "ada@example.com"

    secrets                 = ["trigger_tokens", "trigger_signing_secrets", "turnstile_secret", "wireflow_workflows"]
    trigger_tokens          = "{\"zap\": \"the token itself\"}"
    trigger_signing_secrets = "{\"shop\": [\"secret\"]}"
    turnstile_secret        = "two words"
    turnstile_site_key      = "two words"
    wireflow_workflows      = "{\"hook\": {\"mode\": \"wait\", \"id\": \"1\"}}"
  }

  expect_failures = [
    var.project_id, var.region, var.name, var.invokers, var.database_name, var.database_location, var.cors_origins,
    var.notification_emails, var.public_url, var.wireflow_base_url, var.wireflow_plan, var.usd_per_credit,
    var.on_unknown, var.max_queue_hours, var.image_hosts, var.wireflow_models, var.eventarc_topic, var.form_origins,
    var.event_service_account, var.trigger_tokens, var.trigger_signing_secrets, var.turnstile_secret,
    var.turnstile_site_key,
    var.wireflow_workflows,
  ]
}

run "other_invalid_values" {
  command = plan

  variables {
    name               = "With_Capitals"
    invokers           = ["user:ada@example.com", "ada@example.com"]
    cors_origins       = ["https://example.com/"]
    image_hosts        = ["*.wireflow.ai"]
    monthly_budget_usd = 20 # without a billing account
    max_queue_hours    = 8761
    wireflow_models    = { Dream = ["1K"] }
    form_origins       = ["https://example.com/"]
    eventarc_topic     = "projects/p/topics/t"        # without eventarc
    event_audience     = "https://images.example.com" # without a sender of events

    # Two secrets without a value, two values that secrets does not name.
    secrets                 = ["trigger_tokens", "turnstile_secret"]
    trigger_signing_secrets = "{\"shop\": [\"whsec_c2VjcmV0\"]}"
    wireflow_workflows      = "{\"hook\": {\"mode\": \"run\", \"id\": \"1\"}}"
  }

  expect_failures = [
    var.name, var.invokers, var.cors_origins, var.image_hosts, var.monthly_budget_usd, var.wireflow_models,
    var.max_queue_hours, var.form_origins, var.eventarc_topic, var.event_audience, var.trigger_tokens, var.trigger_signing_secrets,
    var.turnstile_secret, var.wireflow_workflows,
  ]
}

run "empty_resources" {
  command = plan

  variables {
    ingress               = ""
    secret_ids            = { turnstile_secret = "" }
    secret_versions       = { "" = 1 }
    notification_channels = [""]
    labels                = { "" = "" }
    kms_key               = ""
    docker_repository     = ""
    service_accounts      = { build = "" }
  }

  expect_failures = [
    var.ingress, var.secret_ids, var.secret_versions, var.notification_channels, var.labels, var.kms_key, var.docker_repository, var.service_accounts,
  ]
}

run "resources_of_the_wrong_form" {
  command = plan

  variables {
    ingress               = "ALLOW_ALL"
    secret_ids            = { api_token = "projects/p/secrets/s" }
    secret_versions       = { TRIGGER_TOKENS = 2 }
    notification_channels = ["ada@example.com"]
    labels                = { team = "Web" }
    kms_key               = "key"
    docker_repository     = "ours"
    service_accounts      = { scheduler = "user:ada@example.com" }
  }

  expect_failures = [
    var.ingress, var.secret_ids, var.secret_versions, var.notification_channels, var.labels, var.kms_key, var.docker_repository, var.service_accounts,
  ]
}

run "other_invalid_resources" {
  command = plan

  variables {
    ingress          = "internal" # without public_url
    secret_ids       = { trigger_signing_secrets = "projects/p/secrets/s/versions/0" }
    labels           = { Team = "web" }
    kms_key          = "projects/p/locations/europe-west1/keyRings/r/cryptoKeys/k" # in another region
    service_accounts = { events = "events@example-project.iam.gserviceaccount.com" }
  }

  expect_failures = [
    var.ingress, var.secret_ids, var.labels, var.kms_key, var.service_accounts,
  ]
}

run "unknown_field_of_a_model" {
  command = plan

  variables {
    wireflow_models = { dream = { sizes = ["1K"] } }
    caller_limits   = { zap = { perday = 5 } }
  }

  expect_failures = [var.wireflow_models, var.caller_limits]
}

run "half_an_input_image" {
  command = plan

  variables {
    wireflow_models = { dream = { inputImages = 0.5 } }
    caller_limits   = { zap = {} }
  }

  expect_failures = [var.wireflow_models, var.caller_limits]
}

run "not_a_ratio" {
  command = plan

  variables {
    wireflow_models = { dream = { aspectRatios = ["wide"] } }
    caller_limits   = { zap = { perDay = 1.5 } }
  }

  expect_failures = [var.wireflow_models, var.caller_limits]
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

# The receiver of a message could send it back as a signed request.
run "a_secret_for_requests_and_messages" {
  command = plan

  variables {
    secrets                  = ["trigger_signing_secrets", "callback_signing_secrets"]
    trigger_signing_secrets  = "{\"shop\": [\"whsec_b3RoZXI\", \"whsec_c2VjcmV0\"]}"
    callback_signing_secrets = "{\"*\": [\"whsec_c2VjcmV0\"]}"
  }

  expect_failures = [var.callback_signing_secrets]
}

# A variable is checked only if those that it refers to are valid.
run "three_secrets_for_messages" {
  command = plan

  variables {
    secrets                  = ["callback_signing_secrets"]
    callback_signing_secrets = "{\"*\": [\"whsec_YQ\", \"whsec_Yg\", \"whsec_Yw\"]}"
  }

  expect_failures = [var.callback_signing_secrets]
}

run "secrets_for_messages_without_their_name" {
  command = plan

  variables {
    callback_signing_secrets = "{\"*\": [\"whsec_YQ\"]}"
  }

  expect_failures = [var.callback_signing_secrets]
}

# Neither Turnstile nor workflows authenticate a caller, and a limit in dollars needs a price for each workflow.
run "public_without_authentication" {
  command = plan

  variables {
    public             = true
    daily_spend_usd    = 25
    secrets            = ["turnstile_secret", "wireflow_workflows"]
    turnstile_secret   = "word"
    wireflow_workflows = "{\"hook\": {\"mode\": \"run\", \"id\": \"1\"}}"
  }

  expect_failures = [var.public, var.wireflow_workflows]
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

  expect_failures = [var.retention_days]
}

run "one_account_for_two_tasks" {
  command = plan

  variables {
    service_accounts = { build = "one@p-1234.iam.gserviceaccount.com", poller = "one@p-1234.iam.gserviceaccount.com" }
  }

  expect_failures = [var.service_accounts]
}

run "a_database_in_another_location_than_its_key" {
  command = plan

  variables {
    kms_key           = "projects/p/locations/us-central1/keyRings/r/cryptoKeys/k"
    database_location = "nam5"
  }

  expect_failures = [var.kms_key]
}

run "a_value_for_a_secret_that_exists" {
  command = plan

  variables {
    secrets        = ["trigger_tokens"]
    trigger_tokens = "{\"zap\": \"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"}"
    secret_ids     = { api_key = "projects/p/secrets/s", trigger_tokens = "projects/p/secrets/t" }
  }

  expect_failures = [var.api_key, var.secrets]
}

run "proxies_that_callers_can_bypass" {
  command = plan

  variables {
    trusted_proxies = 1
  }

  expect_failures = [var.trusted_proxies]
}
