# The webhook id and the API key: in Secret Manager, in neither the plan nor the state.

locals {
  # Environment variable => what its secret is called. Whoever knows a webhook id can spend: it is a secret too.
  secrets = {
    WIREFLOW_WEBHOOK_ID = "${var.name}-webhook-id"
    WIREFLOW_API_KEY    = "${var.name}-api-key"
  }
  secret_values = {
    WIREFLOW_WEBHOOK_ID = var.webhook_id
    WIREFLOW_API_KEY    = var.api_key
  }
  # What the functions' environments refer to.
  secret_environment = {
    for name, secret in google_secret_manager_secret.wireflow :
    name => { secret = secret.secret_id, version = google_secret_manager_secret_version.wireflow[name].version }
  }
}

resource "google_secret_manager_secret" "wireflow" {
  for_each = local.secrets

  secret_id = each.value

  replication {
    auto {}
  }

  depends_on = [time_sleep.apis]
}

# A write-only value does not show that it changed: `secrets_version` says so, and makes a new version.
resource "google_secret_manager_secret_version" "wireflow" {
  for_each = local.secrets

  secret                 = google_secret_manager_secret.wireflow[each.key].id
  secret_data_wo         = local.secret_values[each.key]
  secret_data_wo_version = var.secrets_version

  # The old version goes after both functions have been moved to the new one.
  lifecycle {
    create_before_destroy = true
  }
}

resource "google_secret_manager_secret_iam_member" "reader" {
  for_each = { for pair in setproduct(keys(local.secrets), keys(local.names)) : join(" ", pair) => pair }

  secret_id = google_secret_manager_secret.wireflow[each.value[0]].id
  role      = "roles/secretmanager.secretAccessor"
  member = {
    trigger = google_service_account.trigger.member
    poller  = google_service_account.poller.member
  }[each.value[1]]
}
