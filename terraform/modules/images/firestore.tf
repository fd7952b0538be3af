# The database that holds the jobs.

locals {
  database = var.create_database ? google_firestore_database.jobs[0].name : var.database_name

  # IAM condition: this database only.
  is_database = "resource.name == \"projects/${var.project_id}/databases/${local.database}\""

  # Fields by which a query of shared/jobs/firestore.py finds or sorts jobs without another field, with the order of their
  # index. Every other field of a job is exempt from indexing: indexes would make every write larger and more expensive.
  # The composite indexes below work without single-field indexes on their fields. Hooks, which are few and hardly ever
  # written, keep their automatic indexes.
  # https://cloud.google.com/firestore/native/docs/query-data/index-overview#single-field-index-exemptions
  queried_fields = {
    createdAt   = "DESCENDING"
    dueAt       = "ASCENDING"
    executionId = "ASCENDING"
    queueAt     = "ASCENDING"
  }
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

  dynamic "cmek_config" {
    for_each = var.kms_key[*]
    content {
      kms_key_name = cmek_config.value
    }
  }

  depends_on = [time_sleep.apis]

  # Another key would replace the database, with its jobs.
  lifecycle {
    ignore_changes = [cmek_config]

    postcondition {
      condition     = try(self.cmek_config[0].kms_key_name, null) == var.kms_key
      error_message = "The key of an existing database cannot be changed: set kms_key back, or deploy to another database_name."
    }
  }
}

# A database that was just created responds with 403 or 404 for a while.
# https://github.com/hashicorp/terraform-provider-google/issues/21577
resource "time_sleep" "database" {
  count = var.create_database ? 1 : 0

  create_duration = "30s"
  triggers        = { database = google_firestore_database.jobs[0].uid }
}

# Firestore changes one field at a time and rejects the others with 409, which the provider retries except for a
# deletion. So `destroy` makes no call for a field: its configuration is deleted with the database, or stays on a database
# that existed before.

# https://cloud.google.com/firestore/native/docs/query-data/index-overview#single-field-index-exemptions
resource "google_firestore_field" "others" {
  database        = local.database
  collection      = "jobs"
  field           = "*"
  deletion_policy = "ABANDON"

  index_config {}

  # Nothing depends on fields and indexes, and building them takes minutes.
  skip_wait = true

  depends_on = [time_sleep.apis, time_sleep.database]
}

resource "google_firestore_field" "queried" {
  for_each = local.queried_fields

  database        = local.database
  collection      = "jobs"
  field           = each.key
  deletion_policy = "ABANDON"

  index_config {
    indexes {
      order       = each.value
      query_scope = "COLLECTION"
    }
  }

  skip_wait = true

  depends_on = [time_sleep.apis, time_sleep.database]
}

# Firestore deletes expired jobs (TTL policy), usually within a day.
# https://cloud.google.com/firestore/native/docs/ttl
resource "google_firestore_field" "expire_at" {
  database        = local.database
  collection      = "jobs"
  field           = "expireAt"
  deletion_policy = "ABANDON"

  ttl_config {}
  index_config {}

  skip_wait = true

  depends_on = [time_sleep.apis, time_sleep.database]
}

# A batch is read by its id only, and expires with the last of its jobs.
resource "google_firestore_field" "batch" {
  for_each = toset(["*", "expireAt"])

  database        = local.database
  collection      = "batches"
  field           = each.key
  deletion_policy = "ABANDON"

  dynamic "ttl_config" {
    for_each = each.key == "expireAt" ? [1] : []
    content {}
  }
  index_config {}

  skip_wait = true

  depends_on = [time_sleep.apis, time_sleep.database]
}

# GET /jobs: newest first, filtered by caller, status, workflow, and batch. For several filters Firestore merges these indexes;
# without a filter it uses the single-field index on createdAt.
# https://firebase.google.com/docs/firestore/query-data/index-overview#taking_advantage_of_index_merging
resource "google_firestore_index" "listed" {
  for_each = toset(["batchId", "caller", "status", "workflow"])

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

  depends_on = [time_sleep.apis, time_sleep.database]
}

# The poller finds the jobs in flight among many final ones whose notifications are due.
resource "google_firestore_index" "in_flight" {
  database   = local.database
  collection = "jobs"

  fields {
    field_path = "status"
    order      = "ASCENDING"
  }

  fields {
    field_path = "dueAt"
    order      = "ASCENDING"
  }

  skip_wait = true

  depends_on = [time_sleep.apis, time_sleep.database]
}

resource "google_firestore_backup_schedule" "daily" {
  count = var.backup_retention_days == null ? 0 : 1

  database  = local.database
  retention = "${var.backup_retention_days * 24 * 60 * 60}s"

  daily_recurrence {}

  depends_on = [time_sleep.apis, time_sleep.database]
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

  depends_on = [time_sleep.database]
}

resource "google_firebaserules_release" "deny_all" {
  count    = var.create_database ? 1 : 0
  provider = google.counted

  name         = var.database_name == "(default)" ? "cloud.firestore" : "cloud.firestore/${var.database_name}"
  ruleset_name = google_firebaserules_ruleset.deny_all[0].name
}
