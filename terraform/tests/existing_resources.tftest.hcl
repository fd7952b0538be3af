# Secrets, channels, a key, a repository, and accounts that exist already. The resulting state is checked by tests/terraform/.

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

  # No value passes through Terraform. `terraform test` fails if an optional ephemeral variable is unset; plan and apply
  # do not. https://github.com/hashicorp/terraform/issues/38974
  webhook_id               = ""
  api_key                  = ""
  trigger_tokens           = ""
  trigger_signing_secrets  = ""
  callback_signing_secrets = ""
  turnstile_secret         = "turnstile-kept-secret"
  wireflow_workflows       = ""

  public  = true
  secrets = ["turnstile_secret"]
  secret_ids = {
    webhook_id     = "projects/vault/secrets/hook/versions/3"
    api_key        = "projects/vault/secrets/key"
    trigger_tokens = "projects/vault/secrets/tokens/versions/latest"
  }

  pubsub_push           = true
  notification_emails   = ["ada@example.com"]
  notification_channels = ["projects/example-project/notificationChannels/1234"]
  labels                = { team = "web", cost-center = "42" }
  kms_key               = "projects/keys/locations/us-central1/keyRings/ring/cryptoKeys/key"
  docker_repository     = "projects/example-project/locations/us-central1/repositories/ours"

  service_accounts = {
    build     = "builder@shared-project.iam.gserviceaccount.com"
    trigger   = "trigger@shared-project.iam.gserviceaccount.com"
    poller    = "poller@shared-project.iam.gserviceaccount.com"
    scheduler = "scheduler@shared-project.iam.gserviceaccount.com"
  }
}

run "existing_resources" {}
