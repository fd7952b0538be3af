# The database that holds the jobs.

locals {
  database = var.create_database ? google_firestore_database.jobs[0].name : var.database_name

  # Fields of a job that no query uses: indexing them would make every write larger and more expensive.
  # Add a new field here, unless a query in shared/jobs/firestore.py uses it.
  unqueried_fields = [
    "allowPartial",
    "attempt",
    "chosen",
    "claims",
    "completedAt",
    "copyTries",
    "copyingSince",
    "cost",
    "creditsUsed",
    "error",
    "estimatedCost",
    "fingerprint",
    "giveUpAt",
    "hostedUrl",
    "image1",
    "image1GoneSince",
    "image1Kept",
    "images",
    "input",
    "lastAnswer",
    "lateLookDone",
    "missingSince",
    "outcomeUnknown",
    "place",
    "possibleDuplicate",
    "prepared",
    "preparingTries",
    "private",
    "prompt",
    "refusal",
    "requestId",
    "reservation",
    "schemaVersion",
    "startedAt",
    "steps",
    "triggeredAt",
    "waitReason",
    "workflowUnknownSince",
    "writeToken",
  ]
}

resource "google_firestore_database" "jobs" {
  count = var.create_database ? 1 : 0

  name        = var.database_name
  location_id = coalesce(var.database_location, var.region)
  type        = "FIRESTORE_NATIVE"

  point_in_time_recovery_enablement = var.point_in_time_recovery ? "POINT_IN_TIME_RECOVERY_ENABLED" : "POINT_IN_TIME_RECOVERY_DISABLED"
  delete_protection_state           = var.delete_protection ? "DELETE_PROTECTION_ENABLED" : "DELETE_PROTECTION_DISABLED"

  # The default, ABANDON, keeps the database, and the next apply fails with "already exists".
  # https://github.com/hashicorp/terraform-provider-google/issues/16325
  deletion_policy = "DELETE"

  depends_on = [time_sleep.apis]
}

resource "google_firestore_field" "unqueried" {
  for_each = toset(local.unqueried_fields)

  database   = local.database
  collection = "jobs"
  field      = each.key

  index_config {}

  # Nothing depends on them, and Firestore changes one field at a time.
  skip_wait = true

  depends_on = [time_sleep.apis]
}

# Firestore deletes expired jobs (TTL policy), usually within a day.
# https://cloud.google.com/firestore/native/docs/ttl
resource "google_firestore_field" "expire_at" {
  database   = local.database
  collection = "jobs"
  field      = "expireAt"

  ttl_config {}
  index_config {}

  skip_wait = true

  depends_on = [time_sleep.apis]

  # The functions refuse the same settings at their start. The defaults are those of shared/config.py.
  lifecycle {
    precondition {
      condition     = 24 * coalesce(var.retention_days, 90) >= coalesce(var.max_queue_hours, 72) + coalesce(var.run_deadline_seconds, 1200) / 3600 + 24
      error_message = "retention_days must cover max_queue_hours, run_deadline_seconds, and 24 hours to copy the images."
    }
  }
}

# GET /jobs: newest first, filtered by caller, status, and workflow. For several filters Firestore merges these indexes;
# without a filter it uses its automatic single-field index on createdAt.
# https://firebase.google.com/docs/firestore/query-data/index-overview#taking_advantage_of_index_merging
resource "google_firestore_index" "listed" {
  for_each = toset(["caller", "status", "workflow"])

  database   = local.database
  collection = "jobs"

  fields {
    field_path = each.key
    order      = "ASCENDING"
  }

  fields {
    field_path = "createdAt"
    order      = "DESCENDING"
  }

  skip_wait = true

  depends_on = [time_sleep.apis]
}

resource "google_firestore_backup_schedule" "daily" {
  count = var.backup_retention_days == null ? 0 : 1

  database  = local.database
  retention = "${var.backup_retention_days * 24 * 60 * 60}s"

  daily_recurrence {}

  depends_on = [time_sleep.apis]
}

# Security rules apply to browsers and mobile clients only, and deny them all; the functions use IAM.
# A database that existed before keeps its own rules.
resource "google_firebaserules_ruleset" "deny_all" {
  count    = var.create_database ? 1 : 0
  provider = google.counted

  source {
    files {
      name    = "firestore.rules"
      content = <<-EOT
        rules_version = "2";
        service cloud.firestore {
          match /databases/{database}/documents {
            match /{document=**} {
              allow read, write: if false;
            }
          }
        }
      EOT
    }
  }

  depends_on = [google_firestore_database.jobs]
}

resource "google_firebaserules_release" "deny_all" {
  count    = var.create_database ? 1 : 0
  provider = google.counted

  name         = var.database_name == "(default)" ? "cloud.firestore" : "cloud.firestore/${var.database_name}"
  ruleset_name = google_firebaserules_ruleset.deny_all[0].name
}
