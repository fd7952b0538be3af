# HTTP in: records jobs and hands out images. Private unless `public` is set.

locals {
  # See settings.tf. Who may come in is the trigger's business alone; null: the name is left out.
  doors = { for name, value in {
    TRIGGER_PUBLIC     = var.public # always said: events on a private deployment are believed only if it says "false"
    FORM_ORIGINS       = var.form_origins == null ? null : join(",", var.form_origins)
    FORM_PER_MINUTE    = var.form_per_minute
    FORM_PER_HOUR      = var.form_per_hour
    FORM_REQUIRE_TOKEN = var.form_require_token
    TRUSTED_PROXIES    = var.trusted_proxies
  } : name => tostring(value) if value != null }
}

resource "google_service_account" "trigger" {
  account_id   = local.names.trigger
  display_name = "Trigger of ${var.name}"

  depends_on = [time_sleep.apis]
}

# Firestore knows no grant on one database or collection.
resource "google_project_iam_member" "trigger_jobs" {
  project = var.project_id
  role    = "roles/datastore.user"
  member  = google_service_account.trigger.member
}

resource "google_storage_bucket_iam_member" "trigger_reads_images" {
  bucket = google_storage_bucket.images.name
  role   = "roles/storage.objectViewer"
  member = google_service_account.trigger.member
}

# Input images alone, and without overwriting: pictures of jobs are the poller's.
# https://cloud.google.com/iam/docs/conditions-resource-attributes#resource-name
resource "google_storage_bucket_iam_member" "trigger_keeps_inputs" {
  bucket = google_storage_bucket.images.name
  role   = "roles/storage.objectCreator"
  member = google_service_account.trigger.member

  condition {
    title      = "inputs only"
    expression = local.is_input
  }
}

# Signed URLs: without a key file the account asks IAM to sign for itself.
resource "google_service_account_iam_member" "trigger_signs" {
  service_account_id = google_service_account.trigger.name
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = google_service_account.trigger.member
}

resource "google_cloudfunctions2_function" "trigger" {
  #checkov:skip=CKV_GCP_124: callers are outside Google Cloud; IAM decides who comes in
  name     = local.names.trigger
  location = var.region

  build_config {
    runtime         = local.runtime
    entry_point     = "trigger"
    service_account = google_service_account.build.id

    source {
      storage_source {
        bucket = google_storage_bucket.sources.name
        object = google_storage_bucket_object.package["trigger"].name
      }
    }
  }

  service_config {
    service_account_email            = google_service_account.trigger.email
    min_instance_count               = var.min_instances
    max_instance_count               = var.max_instances
    max_instance_request_concurrency = 12    # each may hold an upload twice, as it came and taken apart: 12 × 52 MiB
    available_cpu                    = "1"   # more than one request at a time needs a whole one
    available_memory                 = "1Gi" # the uploads, and 0.2 GiB for the process itself
    timeout_seconds                  = 60
    ingress_settings                 = "ALLOW_ALL"
    environment_variables            = local.environment["trigger"]

    dynamic "secret_environment_variables" {
      for_each = local.secret_environment["trigger"]
      content {
        key        = secret_environment_variables.key
        project_id = var.project_id
        secret     = secret_environment_variables.value.secret
        version    = secret_environment_variables.value.version
      }
    }
  }

  depends_on = [time_sleep.grants]
}

# On the Cloud Run service: the function's own resource refuses roles/run.invoker.
# https://github.com/hashicorp/terraform-provider-google/issues/15264
resource "google_cloud_run_v2_service_iam_member" "trigger_invoker" {
  for_each = toset(concat(var.invokers, var.public ? ["allUsers"] : []))

  name     = google_cloudfunctions2_function.trigger.name
  location = var.region
  role     = "roles/run.invoker"
  member   = each.key

  # A replaced function is a new service, without the grants of the old one.
  # https://github.com/hashicorp/terraform-provider-google/issues/18308
  lifecycle {
    replace_triggered_by = [google_cloudfunctions2_function.trigger.id]
  }
}
