# Requests from a topic, pushed by Pub/Sub, and web forms. The resulting state is checked by tests/terraform/.

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

  public       = true
  form_origins = ["https://example.com"]
  pubsub_push  = true
}

run "pubsub" {}
