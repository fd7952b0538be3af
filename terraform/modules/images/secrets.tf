# The secrets, in Secret Manager. Their values are in neither the plan nor the state.

locals {
  # Environment variable => its Terraform variable and the functions that read it. A webhook id is a secret because it
  # is enough to spend credits. Ephemeral values cannot decide what is created, so var.secrets names the optional ones.
  secrets = { for setting, secret in {
    WIREFLOW_WEBHOOK_ID     = { variable = "webhook_id", readers = ["trigger", "poller"] }
    WIREFLOW_API_KEY        = { variable = "api_key", readers = ["trigger", "poller"] }
    WIREFLOW_WORKFLOWS      = { variable = "wireflow_workflows", readers = ["trigger", "poller"] }
    TRIGGER_TOKENS          = { variable = "trigger_tokens", readers = ["trigger"] }
    TRIGGER_SIGNING_SECRETS = { variable = "trigger_signing_secrets", readers = ["trigger"] }
    TURNSTILE_SECRET        = { variable = "turnstile_secret", readers = ["trigger"] }
  } : setting => secret if contains(concat(["webhook_id", "api_key"], var.secrets), secret.variable) }

  secret_values = {
    WIREFLOW_WEBHOOK_ID     = var.webhook_id
    WIREFLOW_API_KEY        = var.api_key
    WIREFLOW_WORKFLOWS      = var.wireflow_workflows
    TRIGGER_TOKENS          = var.trigger_tokens
    TRIGGER_SIGNING_SECRETS = var.trigger_signing_secrets
    TURNSTILE_SECRET        = var.turnstile_secret
  }

  # The secret versions that each function's environment refers to.
  secret_environment = { for function in keys(local.names) : function => {
    for setting, secret in local.secrets : setting => {
      secret  = google_secret_manager_secret.wireflow[setting].secret_id
      version = google_secret_manager_secret_version.wireflow[setting].version
    } if contains(secret.readers, function)
  } }
}

resource "google_secret_manager_secret" "wireflow" {
  for_each = local.secrets

  secret_id = "${var.name}-${replace(each.value.variable, "_", "-")}"

  replication {
    auto {}
  }

  depends_on = [time_sleep.apis]
}

# Terraform cannot see a change of a write-only value: raising `secrets_version` creates a new version.
resource "google_secret_manager_secret_version" "wireflow" {
  for_each = local.secrets

  secret                 = google_secret_manager_secret.wireflow[each.key].id
  secret_data_wo         = local.secret_values[each.key]
  secret_data_wo_version = var.secrets_version

  # The old version is destroyed after both functions use the new one.
  lifecycle {
    create_before_destroy = true
  }
}

resource "google_secret_manager_secret_iam_member" "reader" {
  for_each = merge([for setting, secret in local.secrets : {
    for function in secret.readers : "${setting} ${function}" => { setting = setting, function = function }
  }]...)

  secret_id = google_secret_manager_secret.wireflow[each.value.setting].id
  role      = "roles/secretmanager.secretAccessor"
  member = {
    trigger = google_service_account.trigger.member
    poller  = google_service_account.poller.member
  }[each.value.function]
}
