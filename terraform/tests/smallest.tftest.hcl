# Only what is required. What the resulting state must look like: tests/terraform/.

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
}

run "smallest" {}
