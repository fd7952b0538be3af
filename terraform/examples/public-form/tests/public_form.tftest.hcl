# The resulting state is checked by tests/terraform/test_examples.py.

mock_provider "google" {
  source = "../../tests/mocks"
}
mock_provider "google" {
  alias = "counted"
}
mock_provider "archive" {
  source = "../../tests/mocks"
}
mock_provider "time" {}

variables {
  project_id       = "example-project"
  webhook_id       = "hook-kept-secret"
  api_key          = "key-kept-secret"
  daily_executions = 100
  domain           = "images.example.com"
  form_origins     = ["https://example.com"]
}

run "public_form" {}
