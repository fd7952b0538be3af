# An existing database: used, never created or changed.

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
  trigger_tokens           = ""
  trigger_signing_secrets  = ""
  callback_signing_secrets = ""
  turnstile_secret         = ""
  wireflow_workflows       = ""

  create_database       = false
  database_name         = "theirs"
  backup_retention_days = 7
}

run "existing_database" {}
