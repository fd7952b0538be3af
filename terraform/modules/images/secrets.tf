# The secrets, in Secret Manager. Their values are in neither the plan nor the state.

locals {
  # Ephemeral values cannot decide what is created, so var.secrets names the optional ones that have a value.
  new_secrets = {
    for setting, secret in local.known_secrets : setting => secret
    if contains(setsubtract(concat(["webhook_id", "api_key"], var.secrets, local.digests), keys(var.secret_ids)), secret.variable)
  }
  digests = [for name in var.secrets : "${name}_sha256" if endswith(name, "_signing_secrets")]

  secret_values = {
    WIREFLOW_WEBHOOK_ID     = var.webhook_id
    WIREFLOW_API_KEY        = var.api_key
    WIREFLOW_WORKFLOWS      = var.wireflow_workflows
    TRIGGER_TOKENS          = var.trigger_tokens
    TRIGGER_SIGNING_SECRETS = var.trigger_signing_secrets
    TURNSTILE_SECRET        = var.turnstile_secret

    CALLBACK_SIGNING_SECRETS        = var.callback_signing_secrets
    TRIGGER_SIGNING_SECRETS_SHA256  = join(",", [for secret in local.trigger_signing_secrets : sha256(secret)])
    CALLBACK_SIGNING_SECRETS_SHA256 = join(",", [for secret in local.callback_signing_secrets : sha256(secret)])
  }
  trigger_signing_secrets  = try([for secret in flatten(values(jsondecode(var.trigger_signing_secrets))) : trim(secret, "=")], [])
  callback_signing_secrets = try([for secret in flatten(values(jsondecode(var.callback_signing_secrets))) : trim(secret, "=")], [])

  # Environment variable => the version of a secret that it refers to.
  secrets = merge(
    { for setting in keys(local.new_secrets) : setting => {
      id      = google_secret_manager_secret.wireflow[setting].id
      project = var.project_id
      secret  = google_secret_manager_secret.wireflow[setting].secret_id
      version = google_secret_manager_secret_version.wireflow[setting].version
    } },
    { for setting, secret in local.known_secrets : setting => {
      id      = regex("^projects/[^/]+/secrets/[^/]+", var.secret_ids[secret.variable])
      project = split("/", var.secret_ids[secret.variable])[1]
      secret  = split("/", var.secret_ids[secret.variable])[3]
      version = try(split("/", var.secret_ids[secret.variable])[5], "latest")
    } if contains(keys(var.secret_ids), secret.variable) },
  )

  # The secrets of each function's environment.
  secret_environment = { for function in keys(local.names) : function => {
    for setting, secret in local.secrets : setting => secret if contains(local.known_secrets[setting].readers, function)
  } }
}

resource "google_secret_manager_secret" "wireflow" {
  for_each = local.new_secrets

  secret_id = "${var.name}-${replace(each.value.variable, "_", "-")}"
  labels    = var.labels

  # A regional key encrypts a secret in its own region only.
  replication {
    dynamic "auto" {
      for_each = var.kms_key == null ? ["everywhere"] : []
      content {}
    }

    dynamic "user_managed" {
      for_each = var.kms_key[*]
      content {
        replicas {
          location = var.region
          customer_managed_encryption {
            kms_key_name = user_managed.value
          }
        }
      }
    }
  }

  depends_on = [time_sleep.apis]
}

# Terraform cannot see a change of a write-only value: raising its version creates a new one.
resource "google_secret_manager_secret_version" "wireflow" {
  for_each = local.new_secrets

  secret                 = google_secret_manager_secret.wireflow[each.key].id
  secret_data_wo         = local.secret_values[each.key]
  secret_data_wo_version = lookup(var.secret_versions, trimsuffix(each.value.variable, "_sha256"), var.secrets_version)

  # The old version stays enabled: the function's previous revision refers to it, and could not start without it.
  deletion_policy = "ABANDON"

  lifecycle {
    create_before_destroy = true
  }
}

resource "google_secret_manager_secret_iam_member" "reader" {
  for_each = merge([for function, secrets in local.secret_environment : {
    for setting, secret in secrets : "${setting} ${function}" => { id = secret.id, function = function }
  }]...)

  secret_id = each.value.id
  role      = "roles/secretmanager.secretAccessor"
  member    = local.accounts[each.value.function].member
}
