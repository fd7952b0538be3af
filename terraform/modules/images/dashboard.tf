# One dashboard page. Its counters and gauges are log-based metrics on the same log entries as the alerts.

locals {
  counted_events = {
    job_accepted = "Jobs accepted"
    job_stored   = "Jobs with all images stored"
    job_failed   = "Jobs failed"
  }

  # Fields of the log entry that the poller writes at the end of each window.
  window_fields = {
    running          = "Jobs running at Wireflow"
    oldestDueSeconds = "Age of the oldest due job, seconds"
    queueLength      = "Queue length"
    executionsToday  = "Executions today"
  }

  # The filter of a log-based metric, without its name.
  counted = "metric.type=\"logging.googleapis.com/user"
  latency = "metric.type=\"run.googleapis.com/request_latencies\""

  charts = concat(
    [for event, title in local.counted_events : {
      title = title
      queries = {
        jobs = { filter = "${local.counted}/${google_logging_metric.count[event].name}\"", aligner = "ALIGN_DELTA", reducer = "REDUCE_SUM" }
      }
    }],
    # The mean of a distribution is exact; with one entry per minute it equals the value.
    [for field, title in local.window_fields : {
      title = title
      queries = {
        poller = { filter = "${local.counted}/${google_logging_metric.window[field].name}\"", aligner = "ALIGN_DELTA", reducer = "REDUCE_MEAN" }
      }
    }],
    [{
      title = "Runs started, and on time (stored within five minutes)"
      queries = { for name, metric in google_logging_metric.runs : name => {
        filter = "${local.counted}/${metric.name}\"", aligner = "ALIGN_DELTA", reducer = "REDUCE_SUM"
      } }
      }, {
      title = "5xx responses"
      queries = { for function, name in local.names : function => {
        filter = "${local.service}=\"${name}\" AND ${local.request_count}=\"5xx\"", aligner = "ALIGN_DELTA", reducer = "REDUCE_SUM"
      } }
      }, {
      title = "Latency, 95th percentile, milliseconds"
      queries = { for function, name in local.names : function => {
        filter = "${local.service}=\"${name}\" AND ${local.latency}", aligner = "ALIGN_DELTA", reducer = "REDUCE_PERCENTILE_95"
      } }
    }],
  )
}

resource "google_logging_metric" "count" {
  for_each = local.counted_events

  name        = "${var.name}-${each.key}"
  description = each.value
  filter      = "${local.log_lines} AND jsonPayload.event=\"${each.key}\""

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
  }

  depends_on = [time_sleep.apis]
}

resource "google_logging_metric" "window" {
  for_each = local.window_fields

  name            = "${var.name}-${each.key}"
  description     = each.value
  filter          = "${local.log_lines} AND jsonPayload.event=\"window\" AND jsonPayload.${each.key}>=0"
  value_extractor = "EXTRACT(jsonPayload.${each.key})"

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "DISTRIBUTION"
  }

  depends_on = [time_sleep.apis]
}

resource "google_monitoring_dashboard" "this" {
  dashboard_json = jsonencode({
    displayName = var.name
    gridLayout = {
      columns = "3"
      widgets = [for chart in local.charts : {
        title = chart.title
        xyChart = {
          dataSets = [for label, query in chart.queries : {
            plotType       = "LINE"
            legendTemplate = label
            timeSeriesQuery = {
              timeSeriesFilter = {
                filter = query.filter
                aggregation = {
                  alignmentPeriod    = "60s"
                  perSeriesAligner   = query.aligner
                  crossSeriesReducer = query.reducer
                }
              }
            }
          }]
        }
      }]
    }
  })
}
