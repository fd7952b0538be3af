# The APIs, and what the project tells about itself once they answer.

resource "google_project_service" "api" {
  # A fixed list: an API that an option adds would make the data sources below unknown in that option's plan.
  for_each = toset([
    "artifactregistry",
    "billingbudgets",
    "cloudbuild",
    "cloudfunctions",
    "cloudresourcemanager",
    "cloudscheduler",
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

  # Others in the project may use them, and an API that is on costs nothing.
  disable_on_destroy = false
}

# An API that has just been enabled answers 403 SERVICE_DISABLED for a while.
# https://github.com/hashicorp/terraform-provider-google/issues/8214
resource "time_sleep" "apis" {
  create_duration = "60s"

  depends_on = [google_project_service.api]
}

data "google_project" "this" {
  project_id = var.project_id

  depends_on = [time_sleep.apis]
}
