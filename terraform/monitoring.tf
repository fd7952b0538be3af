# Who is told when something is wrong. Everything rests on log lines that the functions write (shared/log.py), or on
# what Cloud Run measures by itself.

locals {
  service   = "resource.type=\"cloud_run_revision\" AND resource.labels.service_name"
  log_lines = "${local.service}=(\"${local.names.trigger}\" OR \"${local.names.poller}\")"

  # Matched on single log lines: an alert on a log-based metric of the same apply fails with "Cannot find metric".
  # https://github.com/hashicorp/terraform-provider-google/issues/11102
  log_alerts = {
    job_failed = {
      title    = "a job failed"
      severity = "WARNING"
      filter   = "jsonPayload.event=\"job_failed\" AND NOT jsonPayload.errorCode=(\"moderation\" OR \"invalid_request\")"
      advice   = "The line's errorCode says why, the job (GET /jobs/{jobId}) says what to do and whether it cost money. Refused prompts and requests are the caller's and raise no alarm."
    }
    oldest_due_job = {
      title    = "the oldest due job is more than five minutes late"
      severity = "WARNING"
      filter   = "jsonPayload.event=\"window\" AND jsonPayload.oldestDueSeconds>300"
      advice   = "The poller runs but does not keep up: look at its errors, at Wireflow's answers (upstream_refused) and at how many jobs are running."
    }
    out_of_credits = {
      title    = "Wireflow is out of credits"
      severity = "CRITICAL"
      filter   = "jsonPayload.event=\"gate_closed\" AND jsonPayload.errorCode=\"insufficient_credits\""
      advice   = "Buy credits at Wireflow. Waiting jobs go on by themselves within the hour."
    }
    key_refused = {
      title    = "Wireflow refuses the key, the webhook or the address"
      severity = "CRITICAL"
      filter   = "jsonPayload.event=\"gate_closed\" AND jsonPayload.errorCode=(\"key_refused\" OR \"workflow_inactive\" OR \"workflow_not_found\" OR \"configuration\")"
      advice   = "Check that the key is valid, the workflow exists and is active, and WIREFLOW_BASE_URL is right; new secrets need secrets_version + 1. Waiting jobs go on by themselves."
    }
    internal_error = {
      title    = "an unexpected error"
      severity = "ERROR"
      filter   = "jsonPayload.event=\"internal_error\""
      advice   = "A bug: the log entry names the type of the exception and the file and line that raised it. Requests that failed with 500 stored nothing, and jobs in the poller are retried."
    }
    unknown_shape = {
      title    = "Wireflow sent an answer of a shape never seen"
      severity = "WARNING"
      filter   = "jsonPayload.event=\"unknown_shape\" AND severity=\"WARNING\""
      advice   = "Jobs may be stuck until shared/wireflow/ knows the shape; the job keeps the answer in lastAnswer."
    }
  }

  channels = values(google_monitoring_notification_channel.email)[*].id
}

resource "google_monitoring_notification_channel" "email" {
  for_each = toset(var.notification_emails)

  display_name = each.key
  type         = "email"
  labels       = { email_address = each.key }

  depends_on = [time_sleep.apis]
}

resource "google_monitoring_alert_policy" "log" {
  for_each = local.log_alerts

  display_name          = "${var.name}: ${each.value.title}"
  severity              = each.value.severity
  combiner              = "OR"
  notification_channels = local.channels

  conditions {
    display_name = each.value.title
    condition_matched_log {
      filter = "${local.log_lines} AND ${each.value.filter}"
    }
  }

  alert_strategy {
    auto_close = "1800s"
    notification_rate_limit {
      period = "3600s"
    }
  }

  documentation {
    content = each.value.advice
  }

  depends_on = [time_sleep.apis]
}

# Refused calls count as silence, too: a poller that Scheduler may not call answers 403.
resource "google_monitoring_alert_policy" "poller_silent" {
  display_name          = "${var.name}: the poller is silent"
  severity              = "CRITICAL"
  combiner              = "OR"
  notification_channels = local.channels

  conditions {
    display_name = "no successful window for ten minutes"
    condition_absent {
      filter   = "${local.service}=\"${local.names.poller}\" AND metric.type=\"run.googleapis.com/request_count\" AND metric.labels.response_code_class=\"2xx\""
      duration = "600s"
      aggregations {
        alignment_period     = "60s"
        per_series_aligner   = "ALIGN_DELTA"
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }

  documentation {
    content = "No job moves. Look at the Scheduler job's last result and the poller's log; accepted jobs wait and are not lost."
  }

  depends_on = [time_sleep.apis]
}

resource "google_monitoring_alert_policy" "dead_letters" {
  count = var.pubsub_push ? 1 : 0

  display_name          = "${var.name}: a message would not go through"
  severity              = "WARNING"
  combiner              = "OR"
  notification_channels = local.channels

  conditions {
    display_name = "the dead-letter subscription holds a message"
    condition_threshold {
      filter          = "resource.type=\"pubsub_subscription\" AND resource.labels.subscription_id=\"${google_pubsub_subscription.dead_letters[0].name}\" AND metric.type=\"pubsub.googleapis.com/subscription/num_undelivered_messages\""
      comparison      = "COMPARISON_GT"
      threshold_value = 0
      duration        = "0s"
      aggregations {
        alignment_period     = "300s"
        per_series_aligner   = "ALIGN_MAX"
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }

  documentation {
    content = "The trigger refused it five times, and no job was made of it. The trigger's request log has the status: 4xx is the message's own fault or a wrong event_service_account, 503 an outage. Pull the message, mend it, publish it again, acknowledge it."
  }
}

resource "google_monitoring_alert_policy" "server_errors" {
  display_name          = "${var.name}: a function answers with 5xx"
  severity              = "ERROR"
  combiner              = "OR"
  notification_channels = local.channels

  dynamic "conditions" {
    for_each = local.names
    content {
      display_name = "${conditions.key} answered with 5xx"
      condition_threshold {
        filter          = "${local.service}=\"${conditions.value}\" AND metric.type=\"run.googleapis.com/request_count\" AND metric.labels.response_code_class=\"5xx\""
        comparison      = "COMPARISON_GT"
        threshold_value = 0
        duration        = "0s"
        aggregations {
          alignment_period     = "300s"
          per_series_aligner   = "ALIGN_DELTA"
          cross_series_reducer = "REDUCE_SUM"
        }
      }
    }
  }

  documentation {
    content = "Look at the function's log of that time. A request that got no 2xx has left no job behind: its caller may repeat it."
  }

  depends_on = [time_sleep.apis]
}
