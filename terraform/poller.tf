# Schedule in: every minute one window, in which due jobs go one step further.

locals {
  # window < timeout < attempt deadline, each derived from the one before. After the window the copies in progress are
  # waited for; if Scheduler gave up before the function does, it would start the next window beside it.
  poll_window_seconds      = coalesce(var.poll_window_seconds, 55)
  longest_copy_seconds     = 240
  poller_timeout_seconds   = local.poll_window_seconds + local.longest_copy_seconds + 5
  attempt_deadline_seconds = local.poller_timeout_seconds + 20
}

resource "google_service_account" "poller" {
  account_id   = local.names.poller
  display_name = "Poller of ${var.name}"

  depends_on = [time_sleep.apis]
}

# Firestore knows no grant on one database or collection.
resource "google_project_iam_member" "poller_jobs" {
  project = var.project_id
  role    = "roles/datastore.user"
  member  = google_service_account.poller.member
}

# Create and read, never overwrite or delete: an image that was reported stays.
resource "google_storage_bucket_iam_member" "poller_stores_images" {
  for_each = toset(["roles/storage.objectCreator", "roles/storage.objectViewer"])

  bucket = google_storage_bucket.images.name
  role   = each.key
  member = google_service_account.poller.member
}

# An input image goes when its job has ended.
resource "google_storage_bucket_iam_member" "poller_removes_inputs" {
  bucket = google_storage_bucket.images.name
  role   = "roles/storage.objectUser"
  member = google_service_account.poller.member

  condition {
    title      = "inputs only"
    expression = local.is_input
  }
}

resource "google_cloudfunctions2_function" "poller" {
  #checkov:skip=CKV_GCP_124: whether Scheduler counts as internal is not documented; IAM lets in Scheduler alone
  name     = local.names.poller
  location = var.region

  build_config {
    runtime         = local.runtime
    entry_point     = "poller"
    service_account = google_service_account.build.id

    source {
      storage_source {
        bucket = google_storage_bucket.sources.name
        object = google_storage_bucket_object.package["poller"].name
      }
    }
  }

  service_config {
    service_account_email            = google_service_account.poller.email
    min_instance_count               = 0
    max_instance_count               = 1
    max_instance_request_concurrency = 4   # a call during a window is answered at once
    available_cpu                    = "1" # more than one request at a time needs a whole one
    available_memory                 = "512Mi"
    timeout_seconds                  = local.poller_timeout_seconds
    ingress_settings                 = "ALLOW_ALL"
    environment_variables            = local.environment["poller"]

    dynamic "secret_environment_variables" {
      for_each = local.secret_environment["poller"]
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

resource "google_service_account" "scheduler" {
  account_id   = "${var.name}-scheduler"
  display_name = "Calls the poller of ${var.name}"

  depends_on = [time_sleep.apis]
}

# On the Cloud Run service, and made again with it: see trigger.tf.
resource "google_cloud_run_v2_service_iam_member" "poller_invoker" {
  name     = google_cloudfunctions2_function.poller.name
  location = var.region
  role     = "roles/run.invoker"
  member   = google_service_account.scheduler.member

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

    # Said explicitly: the default is the whole target, which Cloud Run refuses as soon as it has a path.
    oidc_token {
      service_account_email = google_service_account.scheduler.email
      audience              = google_cloudfunctions2_function.poller.service_config[0].uri
    }
  }

  depends_on = [google_cloud_run_v2_service_iam_member.poller_invoker]
}
