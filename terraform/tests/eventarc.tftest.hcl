# Requests from a topic by way of Eventarc, and callers with tokens. What the resulting state must look like: tests/terraform/.

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
  trigger_signing_secrets = ""
  turnstile_secret        = ""
  wireflow_workflows      = ""

  secrets        = ["trigger_tokens"]
  trigger_tokens = "{\"zap\": \"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"}"
  eventarc       = true
}

run "eventarc" {}
