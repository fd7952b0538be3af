# Resources of that time that the module no longer has.

resource "google_service_account" "build" {
  account_id = "before-build"
}

resource "google_service_account" "trigger" {
  account_id = "before-trigger"
}

resource "google_service_account" "poller" {
  account_id = "before-poller"
}

resource "google_service_account" "scheduler" {
  account_id = "before-scheduler"
}

resource "google_firestore_field" "unqueried" {
  for_each = toset([
    "allowPartial", "attempt", "claims", "completedAt", "copyTries", "copyingSince", "creditsUsed", "error",
    "fingerprint", "giveUpAt", "hostedUrl", "image1", "image1GoneSince", "image1Kept", "images", "input",
    "lastAnswer", "lateLookDone", "missingSince", "outcomeUnknown", "place", "possibleDuplicate", "prepared",
    "preparingTries", "private", "prompt", "refusal", "requestId", "schemaVersion", "startedAt", "steps",
    "triggeredAt", "waitReason", "workflowUnknownSince", "writeToken",
  ])

  database   = "(default)"
  collection = "jobs"
  field      = each.key

  index_config {}
}
