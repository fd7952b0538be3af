# The resulting state is checked by tests/terraform/test_delivery.py.

mock_provider "google" {}

variables {
  project_id    = "example-project"
  region        = "us-central1"
  repository    = "example/images"
  load_balancer = true
  cloud_build   = true
}

run "delivery" {}
