environment = "production"
project_id  = "acme-images-production"
region      = "europe-west1"
labels      = { team = "web", cost-center = "42" }

secret_ids = {
  webhook_id     = "projects/acme-vault/secrets/wireflow-webhook-id-production/versions/1"
  api_key        = "projects/acme-vault/secrets/wireflow-api-key-production/versions/1"
  trigger_tokens = "projects/acme-vault/secrets/images-trigger-tokens-production/versions/1"
}

notification_channels = ["projects/acme-images-production/notificationChannels/1234567890"]
kms_key               = "projects/acme-keys/locations/europe-west1/keyRings/images/cryptoKeys/production"
docker_repository     = "projects/acme-images-production/locations/europe-west1/repositories/functions"

service_accounts = {
  build     = "images-build@acme-images-production.iam.gserviceaccount.com"
  trigger   = "images-trigger@acme-images-production.iam.gserviceaccount.com"
  poller    = "images-poller@acme-images-production.iam.gserviceaccount.com"
  scheduler = "images-scheduler@acme-images-production.iam.gserviceaccount.com"
}

delete_protection      = true
point_in_time_recovery = true
backup_retention_days  = 14

invokers         = ["group:web@example.com"]
min_instances    = 1
daily_executions = 2000
