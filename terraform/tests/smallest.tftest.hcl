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
}

run "smallest" {}
