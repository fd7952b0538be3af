# The poller: Cloud Scheduler calls it once a minute, wake-ups (wake_up.tf) in between, and it works on due jobs for the length of a window.

locals {
  # window < timeout < attempt deadline, each derived from the previous one. After the window the call waits for copies in
  # progress, beside the next window. If Cloud Scheduler gave up before the function did, it would report a failed call.
  poll_window_seconds      = coalesce(var.poll_window_seconds, 55)
  longest_copy_seconds     = 240
  poller_timeout_seconds   = local.poll_window_seconds + local.longest_copy_seconds + 5
  attempt_deadline_seconds = local.poller_timeout_seconds + 20
}

# On one database: see trigger.tf.
resource "google_project_iam_member" "poller_jobs" {
  project = var.project_id
  role    = "roles/datastore.user"
  member  = local.accounts["poller"].member

  condition {
    title      = "one database"
    expression = local.is_database
  }

  lifecycle {
    create_before_destroy = true
  }
}

# Create and read.
resource "google_storage_bucket_iam_member" "poller_stores_images" {
  for_each = toset(["roles/storage.objectCreator", "roles/storage.objectViewer"])

  bucket = google_storage_bucket.images.name
  role   = each.key
  member = local.accounts["poller"].member
}

# The poller deletes an input image that is no longer needed.
resource "google_storage_bucket_iam_member" "poller_removes_inputs" {
  bucket = google_storage_bucket.images.name
  role   = "roles/storage.objectUser"
  member = local.accounts["poller"].member

  condition {
    title      = "inputs only"
    expression = local.is_input
  }
}

# The poller deletes the images of a job that is erased. It never overwrites one: each upload has the precondition that no
# object has its name.
resource "google_storage_bucket_iam_member" "poller_erases_images" {
  bucket = google_storage_bucket.images.name
  role   = "roles/storage.objectUser"
  member = local.accounts["poller"].member

  condition {
    title      = "results only"
    expression = local.is_result
  }
}

resource "google_cloudfunctions2_function" "poller" {
  name     = local.names.poller
  location = var.region
  labels   = var.labels

  build_config {
    runtime         = local.runtime
    entry_point     = "poller"
    service_account = local.accounts["build"].name

    docker_repository = var.docker_repository

    source {
      storage_source {
        bucket = google_storage_bucket.sources.name
        object = google_storage_bucket_object.package["poller"].name
      }
    }
  }

  service_config {
    service_account_email            = local.accounts["poller"].email
    min_instance_count               = 0
    max_instance_count               = 1
    max_instance_request_concurrency = 16  # a window, calls that return at once, and windows that wait for their last copies
    available_cpu                    = "1" # concurrency above 1 requires a full vCPU
    available_memory                 = "512Mi"
    timeout_seconds                  = local.poller_timeout_seconds
    ingress_settings                 = "ALLOW_INTERNAL_ONLY" # Cloud Scheduler and Cloud Tasks of the same project count as internal
    environment_variables            = local.environment["poller"]

    dynamic "secret_environment_variables" {
      for_each = local.secret_environment["poller"]
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

# On the Cloud Run service, and recreated with it: see trigger.tf.
resource "google_cloud_run_v2_service_iam_member" "poller_invoker" {
  name     = google_cloudfunctions2_function.poller.name
  location = var.region
  role     = "roles/run.invoker"
  member   = local.accounts["scheduler"].member

  lifecycle {
    replace_triggered_by = [google_cloudfunctions2_function.poller.id]
  }
}

resource "google_cloud_scheduler_job" "poller" {
  name             = local.names.poller
  region           = var.region
  schedule         = "* * * * *"
  time_zone        = "Etc/UTC"
  attempt_deadline = "${local.attempt_deadline_seconds}s"

  retry_config {
    retry_count = 0 # the next minute is the retry
  }

  http_target {
    http_method = "POST"
    uri         = google_cloudfunctions2_function.poller.service_config[0].uri

    # Explicit: the default is the full target URL, which Cloud Run refuses if it has a path.
    oidc_token {
      service_account_email = local.accounts["scheduler"].email
      audience              = google_cloudfunctions2_function.poller.service_config[0].uri
    }
  }

  depends_on = [google_cloud_run_v2_service_iam_member.poller_invoker]
}
