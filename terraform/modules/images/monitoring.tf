# Alerts, and who receives them. They use log entries written by the functions (shared/log.py) or metrics of Cloud Run
# and Pub/Sub.

locals {
  service   = "resource.type=\"cloud_run_revision\" AND resource.labels.service_name"
  log_lines = "${local.service}=(\"${local.names.trigger}\" OR \"${local.names.poller}\")"

  # Requests of Cloud Run by the class of their status: "2xx" or "5xx".
  request_count = "metric.type=\"run.googleapis.com/request_count\" AND metric.labels.response_code_class"

  # Log-match alerts: an alert on a log-based metric created by the same apply fails with "Cannot find metric".
  # https://github.com/hashicorp/terraform-provider-google/issues/11102
  log_alerts = {
    job_failed = {
      title    = "a job failed"
      severity = "WARNING"
      filter   = "jsonPayload.event=\"job_failed\" AND NOT jsonPayload.errorCode=(\"moderation\" OR \"invalid_request\")"
      advice   = <<-EOT
        The log entry's errorCode says why. The job (GET /jobs/{jobId}) says what to do and whether it cost money.
        Prompts refused by moderation and invalid requests raise no alert.
      EOT
    }
    oldest_due_job = {
      title    = "the oldest due job is more than five minutes late"
      severity = "WARNING"
      filter   = "jsonPayload.event=\"window\" AND jsonPayload.oldestDueSeconds>300"
      advice   = "The poller runs but falls behind. Check its errors, Wireflow's responses (event upstream_refused), and the number of running jobs."
    }
    out_of_credits = {
      title    = "Wireflow is out of credits"
      severity = "CRITICAL"
      filter   = "jsonPayload.event=\"gate_closed\" AND jsonPayload.errorCode=\"insufficient_credits\""
      advice   = "Buy credits at Wireflow. Queued jobs resume automatically within an hour."
    }
    key_refused = {
      title    = "Wireflow refuses the API key, the webhook, or the URL"
      severity = "CRITICAL"
      filter = join(" AND ", ["jsonPayload.event=\"gate_closed\"",
        "jsonPayload.errorCode=(\"key_refused\" OR \"workflow_inactive\" OR \"workflow_not_found\" OR \"configuration\")"
      ])
      advice = <<-EOT
        Check that the API key is valid, that the workflow exists and is active, and that WIREFLOW_BASE_URL is
        correct. After changing a secret, raise secrets_version by one. Queued jobs resume automatically.
      EOT
    }
    image_host = {
      title    = "an image is on a host that image_hosts does not list"
      severity = "ERROR"
      filter   = "jsonPayload.event=\"upstream_refused\" AND jsonPayload.setting=\"IMAGE_HOSTS\""
      labels   = { host = "EXTRACT(jsonPayload.host)" }
      advice   = <<-EOT
        Wireflow returned an image on the host $${log.extracted_label.host}, which is not in IMAGE_HOSTS. If Wireflow
        or one of its models uses this host, add it to image_hosts together with the default hosts, which the setting
        replaces, and apply. Its jobs are retried for 24 hours.
      EOT
    }
    internal_error = {
      title    = "an unexpected error"
      severity = "ERROR"
      filter   = "jsonPayload.event=\"internal_error\""
      advice   = <<-EOT
        A bug: the log entry names the type of the exception and the file and line that raised it. The request can be
        sent again with the same Idempotency-Key; a job in the poller is retried after five minutes.
      EOT
    }
    configuration = {
      title    = "a setting, a store, or an identity provider does not work"
      severity = "ERROR"
      filter   = "jsonPayload.event=\"configuration\" AND severity=\"ERROR\""
      advice   = <<-EOT
        The log entry says which. Correct a setting that it names, and apply: the function does not start until then. If
        a store, Google's keys, or Turnstile failed, requests got 503 and can be sent again; if it goes on, check the
        function's roles and the status of the service.
      EOT
    }
    spend_limit = {
      title    = "runs cost more than a spend limit allows"
      severity = "WARNING"
      filter   = "jsonPayload.event=\"spend_limit\""
      advice   = <<-EOT
        The log entry says whether runs cost more than was reserved for them, which exceeds a limit, or whether a cost
        could not be counted. Correct pricePerImage of the workflow. Jobs wait until the limit has room again.
      EOT
    }
    callback_undelivered = {
      title    = "a notification could not be delivered"
      severity = "WARNING"
      filter   = "jsonPayload.event=\"callback_undelivered\""
      labels   = { host = "EXTRACT(jsonPayload.host)" }
      advice   = <<-EOT
        The receiver on the host $${log.extracted_label.host} did not accept a message in any of ten attempts over
        about three days. The images of its job are not affected. The log entry names the job, whose callbacks say
        how the receiver responded.
      EOT
    }
    # The alert on a silent poller needs one data point, so it cannot fire for a poller that never ran.
    schedule_failed = {
      title    = "Cloud Scheduler cannot call the poller"
      severity = "CRITICAL"
      source   = "resource.type=\"cloud_scheduler_job\" AND resource.labels.job_id=\"${local.names.poller}\""
      filter   = "severity=\"ERROR\""
      advice   = <<-EOT
        The log entry has the status of the poller's response, or PERMISSION_DENIED. Check the grant of the
        scheduler's account, then the poller's log.
      EOT
    }
    unknown_shape = {
      title    = "Wireflow sent a response of unknown shape"
      severity = "WARNING"
      filter   = "jsonPayload.event=\"unknown_shape\" AND severity=\"WARNING\""
      advice   = "Jobs may be stuck until shared/wireflow/ supports this shape. The job's document has the response in lastAnswer."
    }
  }

  # Every alert → its title, which is the heading of its page in terraform/README.md.
  alert_titles = merge({ for name, alert in local.log_alerts : name => alert.title }, {
    poller_silent = "the poller is silent"
    dead_letters  = "a message could not be delivered"
    server_errors = "a function responds with 5xx"
    service_level = "runs are late or fail"
    latency       = "the trigger is slow"
    uptime        = "the trigger cannot be reached"
  })

  # The link to that page, with the anchor that GitHub derives from a heading.
  runbook = { for name, title in local.alert_titles : name => join("", [
    "Runbook: ${var.runbook_url}#", replace(lower(replace(title, "/[^\\w -]/", "")), " ", "-")
  ]) }

  channels = concat(values(google_monitoring_notification_channel.email)[*].id, var.notification_channels)
}

resource "google_monitoring_notification_channel" "email" {
  for_each = toset(var.notification_emails)

  display_name = each.key
  type         = "email"
  labels       = { email_address = each.key }
  user_labels  = var.labels

  depends_on = [time_sleep.apis]
}

resource "google_monitoring_alert_policy" "log" {
  for_each = local.log_alerts

  display_name          = "${var.name}: ${each.value.title}"
  severity              = each.value.severity
  combiner              = "OR"
  notification_channels = local.channels
  user_labels           = var.labels

  conditions {
    display_name = each.value.title
    condition_matched_log {
      filter           = "${try(each.value.source, local.log_lines)} AND ${each.value.filter}"
      label_extractors = try(each.value.labels, null)
    }
  }

  alert_strategy {
    auto_close = "1800s"
    notification_rate_limit {
      period = "3600s"
    }
  }

  documentation {
    content = "${trimspace(each.value.advice)}\n${local.runbook[each.key]}\n"
  }

  depends_on = [time_sleep.apis]
}

# Counts successful windows only: a poller that Cloud Scheduler is not allowed to call responds with 403.
resource "google_monitoring_alert_policy" "poller_silent" {
  display_name          = "${var.name}: ${local.alert_titles.poller_silent}"
  severity              = "CRITICAL"
  combiner              = "OR"
  notification_channels = local.channels
  user_labels           = var.labels

  conditions {
    display_name = "no successful window for ten minutes"
    condition_absent {
      filter   = "${local.service}=\"${local.names.poller}\" AND ${local.request_count}=\"2xx\""
      duration = "600s"
      aggregations {
        alignment_period     = "60s"
        per_series_aligner   = "ALIGN_DELTA"
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }

  documentation {
    content = <<-EOT
      No job makes progress. Check the Cloud Scheduler job's last result and the poller's log. Accepted jobs are queued, not lost.
      ${local.runbook.poller_silent}
    EOT
  }

  depends_on = [time_sleep.apis]
}

resource "google_monitoring_alert_policy" "dead_letters" {
  count = var.pubsub_push ? 1 : 0

  display_name          = "${var.name}: ${local.alert_titles.dead_letters}"
  severity              = "WARNING"
  combiner              = "OR"
  notification_channels = local.channels
  user_labels           = var.labels

  conditions {
    display_name = "the dead-letter subscription holds a message"
    condition_threshold {
      filter = join(" AND ", [
        "resource.type=\"pubsub_subscription\"",
        "resource.labels.subscription_id=\"${google_pubsub_subscription.dead_letters[0].name}\"",
        "metric.type=\"pubsub.googleapis.com/subscription/num_undelivered_messages\"",
      ])
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
    content = <<-EOT
      The trigger rejected the message five times, and no job was created. The trigger's request log has the status:
      4xx means that the message or event_service_account is wrong, 503 an outage. Pull the message, fix it, publish
      it again, then acknowledge it.
      ${local.runbook.dead_letters}
    EOT
  }
}

# A single 5xx is no alert: its caller retries, and an unexpected exception has an alert of its own.
resource "google_monitoring_alert_policy" "server_errors" {
  display_name          = "${var.name}: ${local.alert_titles.server_errors}"
  severity              = "WARNING"
  combiner              = "OR"
  notification_channels = local.channels
  user_labels           = var.labels

  dynamic "conditions" {
    for_each = local.names
    content {
      display_name = "${conditions.key} responded with 5xx three times in ten minutes"
      condition_threshold {
        filter          = "${local.service}=\"${conditions.value}\" AND ${local.request_count}=\"5xx\""
        comparison      = "COMPARISON_GT"
        threshold_value = 2
        duration        = "0s"
        aggregations {
          alignment_period     = "600s"
          per_series_aligner   = "ALIGN_DELTA"
          cross_series_reducer = "REDUCE_SUM"
        }
      }
    }
  }

  documentation {
    content = <<-EOT
      Check the function's log of that time. A request without a 2xx response created no job, so its caller may retry it.
      ${local.runbook.server_errors}
    EOT
  }

  depends_on = [time_sleep.apis]
}
