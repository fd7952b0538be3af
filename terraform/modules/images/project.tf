# The APIs, and the project's metadata once they are available.

resource "google_project_service" "api" {
  # A fixed list: an API added by an option would make the data source below unknown when that option is planned.
  for_each = toset([
    "artifactregistry",
    "billingbudgets",
    "cloudbuild",
    "cloudfunctions",
    "cloudresourcemanager",
    "cloudscheduler",
    "cloudtasks",
    "firebaserules",
    "firestore",
    "iam",
    "iamcredentials", # signBlob, for the trigger's signed URLs
    "logging",
    "monitoring",
    "pubsub",
    "run",
    "secretmanager",
    "storage",
  ])

  service = "${each.key}.googleapis.com"

  # Other software in the project may use them, and an enabled API costs nothing.
  disable_on_destroy = false
}

# An API that was just enabled responds with 403 SERVICE_DISABLED for a while.
# https://github.com/hashicorp/terraform-provider-google/issues/8214
resource "time_sleep" "apis" {
  create_duration = "60s"

  depends_on = [google_project_service.api]

  lifecycle {
    precondition {
      condition     = length(local.invalid_numbers) == 0
      error_message = join("\n", local.invalid_numbers)
    }
  }
}

data "google_project" "this" {
  project_id = var.project_id

  depends_on = [time_sleep.apis]
}
