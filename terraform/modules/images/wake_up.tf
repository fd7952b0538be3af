# Wake-ups: tasks that call the poller between the calls of Cloud Scheduler. The functions create them.

locals {
  # Deterministic like the trigger's (functions.tf), so the poller can be given its own URL.
  poller_address = "https://${local.names.poller}-${data.google_project.this.number}.${var.region}.run.app"

  wake_up_environment = {
    WAKE_UP_QUEUE   = "projects/${var.project_id}/locations/${var.region}/queues/${google_cloud_tasks_queue.wake_up.name}"
    WAKE_UP_URL     = local.poller_address
    WAKE_UP_ACCOUNT = local.accounts["scheduler"].email
  }
}

# The id, a random UUID, gives the queue's name a suffix: the name of a deleted queue is blocked for up to three days.
# https://cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues/delete
resource "terraform_data" "wake_up" {
  triggers_replace = [var.project_id, var.region, var.name]
}

# Tasks have the poller's URL and no data of a job, so they need no kms_key.
resource "google_cloud_tasks_queue" "wake_up" {
  name     = "${var.name}-${substr(terraform_data.wake_up.id, 0, 8)}"
  location = var.region

  # After three attempts Cloud Scheduler's next call does the work.
  retry_config {
    max_attempts = 3
    min_backoff  = "1s"
    max_backoff  = "10s"
  }

  depends_on = [time_sleep.apis]
}

resource "google_cloud_tasks_queue_iam_member" "enqueuer" {
  for_each = local.names

  name     = google_cloud_tasks_queue.wake_up.name
  location = google_cloud_tasks_queue.wake_up.location
  role     = "roles/cloudtasks.enqueuer"
  member   = local.accounts[each.key].member
}

# An account that creates tasks with the token of another one must be allowed to act as it. The scheduler's account may
# call the poller and nothing else.
# https://cloud.google.com/tasks/docs/creating-http-target-tasks#sa
resource "google_service_account_iam_member" "wakes_up_as_scheduler" {
  for_each = local.names

  service_account_id = local.accounts["scheduler"].name
  role               = "roles/iam.serviceAccountUser"
  member             = local.accounts[each.key].member
}
