# The uptime check: GET public_url/health every five minutes, from outside. With ingress = internal nothing outside can
# reach the trigger, and there is none.

locals {
  has_uptime_check = var.ingress != "internal"

  # Host, port, and path of the URL; the last two may be missing.
  public_url_parts = regex("^https://(?P<host>[^/:]+)(?::(?P<port>[0-9]+))?(?P<path>/.*)?$", local.public_url)

  # Cloud Monitoring's service agent, whose identity token the check of a private trigger sends.
  # https://cloud.google.com/monitoring/uptime-checks#service-agent-auth
  monitoring_agent = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-monitoring-notification.iam.gserviceaccount.com"
}

resource "google_monitoring_uptime_check_config" "trigger" {
  count = local.has_uptime_check ? 1 : 0

  display_name = "${var.name}: trigger"
  period       = "300s"
  timeout      = "10s"
  checker_type = "STATIC_IP_CHECKERS"
  user_labels  = var.labels

  monitored_resource {
    type = "uptime_url"
    labels = {
      project_id = var.project_id
      host       = local.public_url_parts.host
    }
  }

  http_check {
    path         = "${trimsuffix(coalesce(local.public_url_parts.path, "/"), "/")}/health"
    port         = coalesce(local.public_url_parts.port, "443")
    use_ssl      = true
    validate_ssl = true

    accepted_response_status_codes {
      status_class = "STATUS_CLASS_2XX"
    }

    dynamic "service_agent_authentication" {
      for_each = var.public ? [] : ["OIDC_TOKEN"]
      content {
        type = service_agent_authentication.value
      }
    }
  }

  depends_on = [time_sleep.apis]
}

# On the Cloud Run service, and recreated with it: see trigger.tf. Google creates the service agent with the check.
resource "google_cloud_run_v2_service_iam_member" "uptime_invoker" {
  count = local.has_uptime_check && !var.public ? 1 : 0

  name     = google_cloudfunctions2_function.trigger.name
  location = var.region
  role     = "roles/run.invoker"
  member   = local.monitoring_agent

  depends_on = [google_monitoring_uptime_check_config.trigger]

  lifecycle {
    replace_triggered_by = [google_cloudfunctions2_function.trigger.id]
  }
}

resource "google_monitoring_alert_policy" "uptime" {
  count = local.has_uptime_check ? 1 : 0

  display_name          = "${var.name}: ${local.alert_titles.uptime}"
  severity              = "CRITICAL"
  combiner              = "OR"
  notification_channels = local.channels
  user_labels           = var.labels

  conditions {
    display_name = "the check fails in two regions at least"
    condition_threshold {
      filter = join(" AND ", [
        "resource.type=\"uptime_url\"",
        "metric.type=\"monitoring.googleapis.com/uptime_check/check_passed\"",
        "metric.labels.check_id=\"${google_monitoring_uptime_check_config.trigger[0].uptime_check_id}\"",
      ])
      comparison      = "COMPARISON_GT"
      threshold_value = 1
      duration        = "60s"
      aggregations {
        alignment_period     = "1200s"
        per_series_aligner   = "ALIGN_NEXT_OLDER"
        cross_series_reducer = "REDUCE_COUNT_FALSE"
        group_by_fields      = ["resource.label.host"]
      }
    }
  }

  documentation {
    content = <<-EOT
      ${local.public_url}/health does not respond with 200. Requests are not accepted; jobs that were accepted still make progress.
      ${local.runbook.uptime}
    EOT
  }
}
