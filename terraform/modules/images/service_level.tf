# The service level: 99 % of the started runs have all their images stored within five minutes. What uses it up fast
# raises an alert; so does a trigger that responds slowly.

locals {
  objective = 0.99

  # Runs that fail because of the request count as on time: no operator can change them.
  run_counts = {
    started = "jsonPayload.event=\"job_started\""
    on_time = join(" OR ", [
      "(jsonPayload.event=\"job_stored\" AND jsonPayload.secondsSinceStart<=300)",
      "(jsonPayload.event=\"job_failed\" AND jsonPayload.errorCode=(\"moderation\" OR \"invalid_request\") AND jsonPayload.secondsSinceStart>=0)",
    ])
  }

  # Cloud Monitoring's name of a log-based metric in PromQL.
  # https://cloud.google.com/monitoring/promql/promql-mapping
  promql = { for name, metric in google_logging_metric.runs : name => join("", [
    "logging_googleapis_com:user_${replace(metric.name, "/\\W/", "_")}",
    "{monitored_resource=\"cloud_run_revision\"}",
  ]) }

  # How many times faster than allowed the 1 % is used up: 14.4 for an hour is 2 % of a month's, 6 for six hours 5 %.
  # https://sre.google/workbook/alerting-on-slos/
  burn_rates = {
    fast = { hours = 1, rate = 14.4, severity = "CRITICAL" }
    slow = { hours = 6, rate = 6, severity = "ERROR" }
  }

  # The runs started in a window that ended five minutes ago, and those of them that were late or failed. The window of
  # on_time reaches to now, so that a run in progress is not counted as late. Without any run on time there is no series,
  # which vector(0) replaces.
  started_runs = { for name, burn in local.burn_rates : name => "sum(increase(${local.promql["started"]}[${burn.hours}h] offset 5m))" }
  late_runs = { for name, burn in local.burn_rates : name => join(" - ", [
    local.started_runs[name],
    "(sum(increase(${local.promql["on_time"]}[${60 * burn.hours + 5}m])) or vector(0))",
  ]) }
}

resource "google_logging_metric" "runs" {
  for_each = local.run_counts

  name        = "${var.name}-runs_${each.key}"
  description = "Service level: runs ${replace(each.key, "_", " ")}"
  filter      = "${local.log_lines} AND (${each.value})"

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
  }

  depends_on = [time_sleep.apis]
}

resource "google_monitoring_alert_policy" "service_level" {
  for_each = local.burn_rates

  display_name          = "${var.name}: ${local.alert_titles.service_level} (${each.key})"
  severity              = each.value.severity
  combiner              = "OR"
  notification_channels = local.channels
  user_labels           = var.labels

  conditions {
    display_name = "over ${each.value.hours} h, and three runs at least"
    condition_prometheus_query_language {
      query = join(" ", [
        "(${local.late_runs[each.key]}) / ${local.started_runs[each.key]} > ${each.value.rate * (1 - local.objective)}",
        "and (${local.late_runs[each.key]}) >= 3",
      ])
      duration            = "0s"
      evaluation_interval = "60s"

      # The metrics are created by the same apply and have no data yet.
      disable_metric_validation = true
    }
  }

  documentation {
    content = <<-EOT
      More than ${100 * each.value.rate * (1 - local.objective)} % of the runs started in the last ${each.value.hours} h are not stored after five minutes.
      Find out whether Wireflow, the copies, or the poller is slow.
      ${local.runbook.service_level}
    EOT
  }
}

# 30 seconds: a request with `Prefer: wait` takes up to 25.
resource "google_monitoring_alert_policy" "latency" {
  display_name          = "${var.name}: ${local.alert_titles.latency}"
  severity              = "WARNING"
  combiner              = "OR"
  notification_channels = local.channels
  user_labels           = var.labels

  conditions {
    display_name = "95th percentile above 30 s for 15 minutes"
    condition_threshold {
      filter          = "${local.service}=\"${local.names.trigger}\" AND ${local.latency}"
      comparison      = "COMPARISON_GT"
      threshold_value = 30000
      duration        = "900s"
      aggregations {
        alignment_period     = "300s"
        per_series_aligner   = "ALIGN_DELTA"
        cross_series_reducer = "REDUCE_PERCENTILE_95"
      }
    }
  }

  documentation {
    content = <<-EOT
      One request in twenty takes longer than 30 seconds. Check for slow calls of Firestore or Wireflow, and whether max_instances is reached.
      ${local.runbook.latency}
    EOT
  }

  depends_on = [time_sleep.apis]
}
