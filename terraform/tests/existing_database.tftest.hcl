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

  create_database       = false
  database_name         = "theirs"
  backup_retention_days = 7
}

run "existing_database" {}
