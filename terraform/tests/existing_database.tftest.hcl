# A database that was there before: used, never created or changed.

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

  # An optional ephemeral variable that is left unset makes `terraform test` fail, and nothing else.
  # https://github.com/hashicorp/terraform/issues/38974
  trigger_tokens          = ""
  trigger_signing_secrets = ""
  turnstile_secret        = ""
  wireflow_workflows      = ""

  create_database       = false
  database_name         = "theirs"
  backup_retention_days = 7
}

run "existing_database" {}
