# Where the images are, and the message about each new one.

locals {
  # Input images stand beside the pictures until their job has ended: no prefix of the one begins like the other.
  pictures = "jobs/"
  inputs   = "inputs/"

  # Condition of a grant on input images alone.
  is_input = "resource.name.startsWith(\"projects/_/buckets/${google_storage_bucket.images.name}/objects/${local.inputs}\")"

  # A job waits this long at most, and is at an end a few days later whatever happens. 72: shared/config.py.
  inputs_days = ceil(coalesce(var.max_queue_hours, 72) / 24) + 8
}

resource "google_storage_bucket" "images" {
  #checkov:skip=CKV_GCP_62: whoever reads an image comes through the trigger, which writes a request log
  #checkov:skip=CKV_GCP_78: nobody may overwrite an object; soft delete keeps a deleted one for a week
  name                        = "${var.project_id}-${var.name}"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = !var.delete_protection

  soft_delete_policy {
    retention_duration_seconds = 7 * 24 * 60 * 60
  }

  lifecycle_rule {
    action {
      type = "AbortIncompleteMultipartUpload"
    }
    condition {
      age = 1
    }
  }

  # What a crash has left behind: the poller removes the others.
  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      age            = local.inputs_days
      matches_prefix = [local.inputs]
    }
  }

  dynamic "lifecycle_rule" {
    for_each = var.image_retention_days[*]
    content {
      action {
        type = "Delete"
      }
      condition {
        age            = lifecycle_rule.value
        matches_prefix = [local.pictures]
      }
    }
  }

  dynamic "cors" {
    for_each = length(var.cors_origins) == 0 ? [] : [var.cors_origins]
    content {
      origin          = cors.value
      method          = ["GET", "HEAD"]
      response_header = ["Content-Type", "Content-Length", "ETag"]
      max_age_seconds = 3600
    }
  }

  depends_on = [time_sleep.apis]
}

resource "google_pubsub_topic" "images" {
  #checkov:skip=CKV_GCP_83: a message names a new object and holds nothing of it; Google's own key is enough
  name = "${var.name}-stored"

  depends_on = [time_sleep.apis]
}

# Reading it also creates Cloud Storage's own account.
data "google_storage_project_service_account" "this" {
  depends_on = [time_sleep.apis]
}

resource "google_pubsub_topic_iam_member" "storage_publishes" {
  topic  = google_pubsub_topic.images.id
  role   = "roles/pubsub.publisher"
  member = "serviceAccount:${data.google_storage_project_service_account.this.email_address}"
}

resource "google_storage_notification" "stored" {
  bucket             = google_storage_bucket.images.name
  topic              = google_pubsub_topic.images.id
  payload_format     = "JSON_API_V1"
  event_types        = ["OBJECT_FINALIZE"]
  object_name_prefix = local.pictures

  # Cloud Storage tries the topic at once.
  # https://github.com/hashicorp/terraform-provider-google/issues/12111
  depends_on = [google_pubsub_topic_iam_member.storage_publishes]
}
