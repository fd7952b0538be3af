environment = "staging"
project_id  = "acme-images-staging"
region      = "europe-west1"
labels      = { team = "web", cost-center = "42" }

secret_ids = {
  webhook_id     = "projects/acme-vault/secrets/wireflow-webhook-id-staging/versions/1"
  api_key        = "projects/acme-vault/secrets/wireflow-api-key-staging/versions/1"
  trigger_tokens = "projects/acme-vault/secrets/images-trigger-tokens-staging/versions/1"
}

notification_channels = ["projects/acme-images-staging/notificationChannels/1234567890"]
kms_key               = "projects/acme-keys/locations/europe-west1/keyRings/images/cryptoKeys/staging"
docker_repository     = "projects/acme-images-staging/locations/europe-west1/repositories/functions"

service_accounts = {
  build     = "images-build@acme-images-staging.iam.gserviceaccount.com"
  trigger   = "images-trigger@acme-images-staging.iam.gserviceaccount.com"
  poller    = "images-poller@acme-images-staging.iam.gserviceaccount.com"
  scheduler = "images-scheduler@acme-images-staging.iam.gserviceaccount.com"
}

delete_protection      = false
point_in_time_recovery = false
backup_retention_days  = null

invokers         = ["group:web@example.com"]
min_instances    = 0
daily_executions = 50
