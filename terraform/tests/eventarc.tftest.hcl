# Requests from a topic through Eventarc, and callers with tokens. The resulting state is checked by tests/terraform/.

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
  trigger_signing_secrets  = ""
  callback_signing_secrets = ""
  turnstile_secret         = ""
  wireflow_workflows       = ""

  secrets        = ["trigger_tokens"]
  trigger_tokens = "{\"zap\": \"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"}"
  eventarc       = true
}

run "eventarc" {}
