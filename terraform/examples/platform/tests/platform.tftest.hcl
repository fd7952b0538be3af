# Run once for each environment: `terraform test -var-file=environments/staging.tfvars`. The resulting state is checked by
# tests/terraform/test_examples.py.

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

run "platform" {}
