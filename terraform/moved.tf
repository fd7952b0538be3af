# Resources that were in this folder before they moved to modules/images: an upgrade renames them in the state.

moved {
  from = google_billing_budget.monthly
  to   = module.images.google_billing_budget.monthly
}

moved {
  from = google_cloud_run_v2_service_iam_member.events_invoker
  to   = module.images.google_cloud_run_v2_service_iam_member.events_invoker
}

moved {
  from = google_cloud_run_v2_service_iam_member.poller_invoker
  to   = module.images.google_cloud_run_v2_service_iam_member.poller_invoker
}

moved {
  from = google_cloud_run_v2_service_iam_member.trigger_invoker
  to   = module.images.google_cloud_run_v2_service_iam_member.trigger_invoker
}

moved {
  from = google_cloud_scheduler_job.poller
  to   = module.images.google_cloud_scheduler_job.poller
}

moved {
  from = google_cloudfunctions2_function.poller
  to   = module.images.google_cloudfunctions2_function.poller
}

moved {
  from = google_cloudfunctions2_function.trigger
  to   = module.images.google_cloudfunctions2_function.trigger
}

moved {
  from = google_eventarc_trigger.requests
  to   = module.images.google_eventarc_trigger.requests
}

moved {
  from = google_firebaserules_release.deny_all
  to   = module.images.google_firebaserules_release.deny_all
}

moved {
  from = google_firebaserules_ruleset.deny_all
  to   = module.images.google_firebaserules_ruleset.deny_all
}

moved {
  from = google_firestore_backup_schedule.daily
  to   = module.images.google_firestore_backup_schedule.daily
}

moved {
  from = google_firestore_database.jobs
  to   = module.images.google_firestore_database.jobs
}

moved {
  from = google_firestore_field.expire_at
  to   = module.images.google_firestore_field.expire_at
}

moved {
  from = google_firestore_index.listed
  to   = module.images.google_firestore_index.listed
}

moved {
  from = google_logging_metric.count
  to   = module.images.google_logging_metric.count
}

moved {
  from = google_logging_metric.window
  to   = module.images.google_logging_metric.window
}

moved {
  from = google_monitoring_alert_policy.dead_letters
  to   = module.images.google_monitoring_alert_policy.dead_letters
}

moved {
  from = google_monitoring_alert_policy.log
  to   = module.images.google_monitoring_alert_policy.log
}

moved {
  from = google_monitoring_alert_policy.poller_silent
  to   = module.images.google_monitoring_alert_policy.poller_silent
}

moved {
  from = google_monitoring_alert_policy.server_errors
  to   = module.images.google_monitoring_alert_policy.server_errors
}

moved {
  from = google_monitoring_dashboard.this
  to   = module.images.google_monitoring_dashboard.this
}

moved {
  from = google_monitoring_notification_channel.email
  to   = module.images.google_monitoring_notification_channel.email
}

moved {
  from = google_project_iam_member.build
  to   = module.images.google_project_iam_member.build
}

moved {
  from = google_project_iam_member.poller_jobs
  to   = module.images.google_project_iam_member.poller_jobs
}

moved {
  from = google_project_iam_member.trigger_jobs
  to   = module.images.google_project_iam_member.trigger_jobs
}

moved {
  from = google_project_service.api
  to   = module.images.google_project_service.api
}

moved {
  from = google_project_service.eventarc
  to   = module.images.google_project_service.eventarc
}

moved {
  from = google_pubsub_subscription.dead_letters
  to   = module.images.google_pubsub_subscription.dead_letters
}

moved {
  from = google_pubsub_subscription.requests
  to   = module.images.google_pubsub_subscription.requests
}

moved {
  from = google_pubsub_subscription_iam_member.pubsub_gives_up
  to   = module.images.google_pubsub_subscription_iam_member.pubsub_gives_up
}

moved {
  from = google_pubsub_topic.dead_letters
  to   = module.images.google_pubsub_topic.dead_letters
}

moved {
  from = google_pubsub_topic.images
  to   = module.images.google_pubsub_topic.images
}

moved {
  from = google_pubsub_topic.requests
  to   = module.images.google_pubsub_topic.requests
}

moved {
  from = google_pubsub_topic_iam_member.pubsub_gives_up
  to   = module.images.google_pubsub_topic_iam_member.pubsub_gives_up
}

moved {
  from = google_pubsub_topic_iam_member.storage_publishes
  to   = module.images.google_pubsub_topic_iam_member.storage_publishes
}

moved {
  from = google_secret_manager_secret.wireflow
  to   = module.images.google_secret_manager_secret.wireflow
}

moved {
  from = google_secret_manager_secret_iam_member.reader
  to   = module.images.google_secret_manager_secret_iam_member.reader
}

moved {
  from = google_secret_manager_secret_version.wireflow
  to   = module.images.google_secret_manager_secret_version.wireflow
}

moved {
  from = google_service_account.build
  to   = module.images.google_service_account.task["build"]
}

moved {
  from = google_service_account.events
  to   = module.images.google_service_account.events
}

moved {
  from = google_service_account.poller
  to   = module.images.google_service_account.task["poller"]
}

moved {
  from = google_service_account.scheduler
  to   = module.images.google_service_account.task["scheduler"]
}

moved {
  from = google_service_account.trigger
  to   = module.images.google_service_account.task["trigger"]
}

moved {
  from = google_service_account_iam_member.pubsub_signs
  to   = module.images.google_service_account_iam_member.pubsub_signs
}

moved {
  from = google_service_account_iam_member.trigger_signs
  to   = module.images.google_service_account_iam_member.trigger_signs
}

moved {
  from = google_storage_bucket.images
  to   = module.images.google_storage_bucket.images
}

moved {
  from = google_storage_bucket.sources
  to   = module.images.google_storage_bucket.sources
}

moved {
  from = google_storage_bucket_iam_member.poller_removes_inputs
  to   = module.images.google_storage_bucket_iam_member.poller_removes_inputs
}

moved {
  from = google_storage_bucket_iam_member.poller_stores_images
  to   = module.images.google_storage_bucket_iam_member.poller_stores_images
}

moved {
  from = google_storage_bucket_iam_member.trigger_keeps_inputs
  to   = module.images.google_storage_bucket_iam_member.trigger_keeps_inputs
}

moved {
  from = google_storage_bucket_iam_member.trigger_reads_images
  to   = module.images.google_storage_bucket_iam_member.trigger_reads_images
}

moved {
  from = google_storage_bucket_object.package
  to   = module.images.google_storage_bucket_object.package
}

moved {
  from = google_storage_notification.stored
  to   = module.images.google_storage_notification.stored
}

moved {
  from = time_sleep.apis
  to   = module.images.time_sleep.apis
}

moved {
  from = time_sleep.eventarc
  to   = module.images.time_sleep.eventarc
}

moved {
  from = time_sleep.grants
  to   = module.images.time_sleep.grants
}

# One exemption for each field without a query, until one for all fields (modules/images/firestore.tf) replaced them.
# Deleting them would make Firestore index those fields again, and fail with 409.
removed {
  from = google_firestore_field.unqueried

  lifecycle {
    destroy = false
  }
}
