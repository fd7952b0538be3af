# What both functions share: names, environment variables, source packages, and the build account.

locals {
  # Kebab case only: Cloud Run replaces "_" with "-", and the names would no longer match.
  names   = { for function in ["trigger", "poller"] : function => "${var.name}-${function}" }
  runtime = "python313"

  # Environment variables of each function. Those of the trigger alone are in trigger.tf and events.tf, those of wake-ups in wake_up.tf.
  environment = {
    trigger = merge(local.required_environment, local.wake_up_environment, local.settings, local.auth_settings, local.event_auth)
    poller  = merge(local.required_environment, local.wake_up_environment, local.settings)
  }

  required_environment = {
    JOBS_URL   = "firestore://${var.project_id}/${local.database}"
    IMAGES_URL = "gs://${google_storage_bucket.images.name}"
    PUBLIC_URL = local.public_url

    # The platform's default, "true", makes functions-framework replace the loggers of an async function.
    # https://github.com/GoogleCloudPlatform/functions-framework-python/issues/398
    LOG_EXECUTION_ID = "false"
  }

  # See settings.tf. A variable that is null is not set.
  settings = { for name, value in {
    WIREFLOW_BASE_URL        = var.wireflow_base_url
    WIREFLOW_PLAN            = var.wireflow_plan
    WIREFLOW_MODELS          = var.wireflow_models == null ? null : jsonencode(var.wireflow_models)
    EXECUTIONS_PER_MINUTE    = var.executions_per_minute
    DAILY_EXECUTIONS         = var.daily_executions
    USD_PER_CREDIT           = var.usd_per_credit
    DAILY_SPEND_USD          = var.daily_spend_usd
    MONTHLY_SPEND_USD        = var.monthly_spend_usd
    SPEND_PER_10_MINUTES_USD = var.spend_per_10_minutes_usd
    CALLER_LIMITS            = var.caller_limits == null ? null : jsonencode(var.caller_limits)
    ON_UNKNOWN               = var.on_unknown
    POLL_WINDOW_SECONDS      = var.poll_window_seconds
    POLL_IDLE_EXIT_SECONDS   = var.poll_idle_exit_seconds
    LEASE_SECONDS            = var.lease_seconds
    RUN_DEADLINE_SECONDS     = var.run_deadline_seconds
    MAX_IMAGE_BYTES          = var.max_image_bytes
    MAX_QUEUE_HOURS          = var.max_queue_hours
    MAX_QUEUED_JOBS          = var.max_queued_jobs
    RETENTION_DAYS           = var.retention_days
    IMAGE_HOSTS              = var.image_hosts == null ? null : join(",", var.image_hosts)
    # The poller gives places in the queue, too, where the visitors of all forms are one caller.
    FORM_ORIGINS = var.form_origins == null ? null : join(",", var.form_origins)
  } : name => tostring(value) if value != null }

  # The service's URL is deterministic, so the function can be given its own URL.
  # https://cloud.google.com/run/docs/triggering/https-request#deterministic
  trigger_address = "https://${local.names.trigger}-${data.google_project.this.number}.${var.region}.run.app"
  public_url      = coalesce(var.public_url, local.trigger_address)

  # Contents of each function's zip, name in the zip => file: the function's files at the root, next to shared/.
  root = "${path.module}/../../.."
  shared = merge(
    { for file in fileset(local.root, "shared/**/*.{py,json}") : file => "${local.root}/${file}" },
    { "requirements.txt" = "${local.root}/shared/requirements.lock" } # pinned with hashes: every build installs the same
  )
  packages = {
    for function in keys(local.names) : function => merge(local.shared, {
      for file in fileset("${local.root}/functions/${function}", "**/*.{py,json,html,css,js}") : file => "${local.root}/functions/${function}/${file}"
    })
  }
}

# Source blocks hold names and contents only, so the zip does not depend on local timestamps, modes, or file order.
data "archive_file" "package" {
  for_each = local.packages

  type        = "zip"
  output_path = "${path.root}/.terraform/packages/${each.key}.zip"

  dynamic "source" {
    for_each = each.value
    content {
      filename = source.key
      content  = file(source.value)
    }
  }
}

resource "google_storage_bucket" "sources" {
  #checkov:skip=CKV_GCP_62: only the build reads it; audit logs show every other access
  #checkov:skip=CKV_GCP_78: an object's name is the hash of its contents, so no object is ever overwritten
  name                        = "${var.project_id}-${var.name}-sources"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = true # holds only zips, which can be rebuilt
  labels                      = var.labels

  dynamic "encryption" {
    for_each = var.kms_key[*]
    content {
      default_kms_key_name = encryption.value
    }
  }

  soft_delete_policy {
    retention_duration_seconds = 0
  }

  depends_on = [time_sleep.apis]
}

# The name contains a hash of the contents: a function is redeployed only when its object name changes.
# https://github.com/hashicorp/terraform-provider-google/issues/1938
resource "google_storage_bucket_object" "package" {
  for_each = local.packages

  bucket         = google_storage_bucket.sources.name
  name           = "${each.key}-${sha256(jsonencode({ for name, file in each.value : name => filesha256(file) }))}.zip"
  source         = data.archive_file.package[each.key].output_path
  source_md5hash = data.archive_file.package[each.key].output_md5
}

locals {
  # A build reads its package from our bucket, and from the one that Google copies it to, which the first build creates.
  build_buckets = [
    "projects/_/buckets/${google_storage_bucket.sources.name}",
    "projects/_/buckets/gcf-v2-sources-${data.google_project.this.number}-${var.region}",
  ]
  build_roles = {
    "roles/logging.logWriter"       = null
    "roles/artifactregistry.writer" = null
    "roles/storage.objectViewer" = join(" || ", [
      for bucket in local.build_buckets : "resource.name == \"${bucket}\" || resource.name.startsWith(\"${bucket}/\")"
    ])
  }
}

# A dedicated build account: in new projects the default account has no roles, and builds fail without an error.
# https://cloud.google.com/functions/docs/securing/build-custom-sa
# Granted on the project: Google's gcf-artifacts repository and gcf-v2-sources bucket are created by the first build.
resource "google_project_iam_member" "build" {
  for_each = { for role, condition in local.build_roles : role => condition if !(role == "roles/artifactregistry.writer" && var.docker_repository != null) }

  project = var.project_id
  role    = each.key
  member  = local.accounts["build"].member

  dynamic "condition" {
    for_each = var.restrict_build_account ? each.value[*] : []
    content {
      title      = "sources only"
      expression = condition.value
    }
  }

  # A grant without a condition is removed after the one with a condition has taken effect.
  lifecycle {
    create_before_destroy = true
  }
}

resource "google_artifact_registry_repository_iam_member" "build" {
  for_each = toset(var.docker_repository[*])

  repository = each.key
  role       = "roles/artifactregistry.writer"
  member     = local.accounts["build"].member
}

# Cloud Run checks access to the secrets while it deploys, and a new grant takes a minute or two to take effect: whenever
# a grant is added, the functions wait again.
# https://cloud.google.com/iam/docs/access-change-propagation
resource "time_sleep" "grants" {
  create_duration = "90s"

  triggers = {
    build   = join(" ", concat(values(google_project_iam_member.build), values(google_artifact_registry_repository_iam_member.build))[*].id)
    jobs    = join(" ", [google_project_iam_member.trigger_jobs.id, google_project_iam_member.poller_jobs.id])
    secrets = join(" ", values(google_secret_manager_secret_iam_member.reader)[*].id)
  }
}
