# The trigger: accepts requests over HTTP and serves jobs and images. Private unless `public` is set.

locals {
  # https://cloud.google.com/run/docs/securing/ingress
  ingress_settings = {
    all                         = "ALLOW_ALL"
    internal                    = "ALLOW_INTERNAL_ONLY"
    internal-and-load-balancing = "ALLOW_INTERNAL_AND_GCLB"
  }

  # Authentication settings of the trigger; see settings.tf. A variable that is null is not set.
  auth_settings = { for name, value in {
    # Always set: only with "false" does the function accept Google tokens whose signature Cloud Run has removed.
    TRIGGER_PUBLIC     = var.public
    FORM_PER_MINUTE    = var.form_per_minute
    FORM_PER_HOUR      = var.form_per_hour
    FORM_REQUIRE_TOKEN = var.form_require_token
    TURNSTILE_SITE_KEY = var.turnstile_site_key
    PLAYGROUND         = var.playground
    TRUSTED_PROXIES    = var.trusted_proxies
  } : name => tostring(value) if value != null }
}

# Firestore roles are granted on the project; the condition limits them to one database.
# https://cloud.google.com/firestore/native/docs/security/iam#conditions
resource "google_project_iam_member" "trigger_jobs" {
  project = var.project_id
  role    = "roles/datastore.user"
  member  = local.accounts["trigger"].member

  condition {
    title      = "one database"
    expression = local.is_database
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "google_storage_bucket_iam_member" "trigger_reads_images" {
  bucket = google_storage_bucket.images.name
  role   = "roles/storage.objectViewer"
  member = local.accounts["trigger"].member
}

# Input images only, and never overwriting; the poller stores the images of jobs.
# https://cloud.google.com/iam/docs/conditions-resource-attributes#resource-name
resource "google_storage_bucket_iam_member" "trigger_keeps_inputs" {
  bucket = google_storage_bucket.images.name
  role   = "roles/storage.objectCreator"
  member = local.accounts["trigger"].member

  condition {
    title      = "inputs only"
    expression = local.is_input
  }
}

# Signed URLs: without a key file, the account asks IAM to sign on its behalf.
resource "google_service_account_iam_member" "trigger_signs" {
  service_account_id = local.accounts["trigger"].name
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = local.accounts["trigger"].member
}

resource "google_cloudfunctions2_function" "trigger" {
  #checkov:skip=CKV_GCP_124: by default callers are outside Google Cloud; IAM and the function authenticate them
  name     = local.names.trigger
  location = var.region
  labels   = var.labels

  build_config {
    runtime         = local.runtime
    entry_point     = "trigger"
    service_account = local.accounts["build"].name

    docker_repository = var.docker_repository

    source {
      storage_source {
        bucket = google_storage_bucket.sources.name
        object = google_storage_bucket_object.package["trigger"].name
      }
    }
  }

  service_config {
    service_account_email            = local.accounts["trigger"].email
    min_instance_count               = var.min_instances
    max_instance_count               = var.max_instances
    max_instance_request_concurrency = 12    # each may hold an upload twice, raw and decoded: 12 × 52 MiB
    available_cpu                    = "1"   # concurrency above 1 requires a full vCPU
    available_memory                 = "1Gi" # the uploads, plus 0.2 GiB for the process
    timeout_seconds                  = 60
    ingress_settings                 = local.ingress_settings[var.ingress]
    environment_variables            = local.environment["trigger"]

    dynamic "secret_environment_variables" {
      for_each = local.secret_environment["trigger"]
      content {
        key        = secret_environment_variables.key
        project_id = secret_environment_variables.value.project
        secret     = secret_environment_variables.value.secret
        version    = secret_environment_variables.value.version
      }
    }
  }

  depends_on = [time_sleep.grants]
}

# On the Cloud Run service: the function's own IAM resource rejects roles/run.invoker.
# https://github.com/hashicorp/terraform-provider-google/issues/15264
resource "google_cloud_run_v2_service_iam_member" "trigger_invoker" {
  for_each = toset(concat(var.invokers, var.public ? ["allUsers"] : []))

  name     = google_cloudfunctions2_function.trigger.name
  location = var.region
  role     = "roles/run.invoker"
  member   = each.key

  # A replaced function has a new service, without the grants of the old one.
  # https://github.com/hashicorp/terraform-provider-google/issues/18308
  lifecycle {
    replace_triggered_by = [google_cloudfunctions2_function.trigger.id]
  }
}
