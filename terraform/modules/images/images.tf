# The bucket that holds the images, and a Pub/Sub message for each new image.

locals {
  # Input images are kept in the same bucket until their job has succeeded, or for a week for a retry, under a prefix of
  # their own.
  results = "jobs/"
  inputs  = "inputs/"

  # IAM conditions: input images only, results only.
  is_input  = "resource.name.startsWith(\"${local.objects}/${local.inputs}\")"
  is_result = "resource.name.startsWith(\"${local.objects}/${local.results}\")"
  objects   = "projects/_/buckets/${google_storage_bucket.images.name}/objects"

  # A job is queued for at most max_queue_hours (72: shared/config.py), is final a day later, and may be retried for a week.
  # A retry uploads the image to Wireflow at once; a second one may find it gone, and says so.
  inputs_days = ceil(coalesce(var.max_queue_hours, 72) / 24) + 8
}

resource "google_storage_bucket" "images" {
  #checkov:skip=CKV_GCP_62: images are read through the trigger, which writes a request log
  #checkov:skip=CKV_GCP_78: no upload overwrites an object; soft delete keeps a deleted one for a week
  name                        = "${var.project_id}-${var.name}"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = !var.delete_protection
  labels                      = var.labels

  dynamic "encryption" {
    for_each = var.kms_key[*]
    content {
      default_kms_key_name = encryption.value
    }
  }

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

  # Input images left behind by a crash; the poller deletes the others.
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
        matches_prefix = [local.results]
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
  #checkov:skip=CKV_GCP_83: a message names a new object but has none of its contents; without kms_key a Google-managed key is enough
  name         = "${var.name}-stored"
  kms_key_name = var.kms_key
  labels       = var.labels

  depends_on = [time_sleep.apis]
}

# Reading it also creates the Cloud Storage service agent.
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
  object_name_prefix = local.results

  # Cloud Storage checks its access to the topic when the notification is created.
  # https://github.com/hashicorp/terraform-provider-google/issues/12111
  depends_on = [google_pubsub_topic_iam_member.storage_publishes]
}
