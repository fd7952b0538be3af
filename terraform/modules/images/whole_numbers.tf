# Every variable that takes a whole number, with its limits. They are checked together, so that the check is written once.
# Those of settings are the limits of shared/config.py, or stricter.

locals {
  whole_numbers = merge({
    executions_per_minute  = { value = var.executions_per_minute, min = 0, max = 10000 }
    daily_executions       = { value = var.daily_executions, min = 0, max = 999999999999 }
    poll_window_seconds    = { value = var.poll_window_seconds, min = 10, max = 1500 } # Cloud Scheduler waits 30 minutes, longest copy included
    poll_idle_exit_seconds = { value = var.poll_idle_exit_seconds, min = 1, max = 3600 }
    lease_seconds          = { value = var.lease_seconds, min = 20, max = 3600 }
    run_deadline_seconds   = { value = var.run_deadline_seconds, min = 1, max = 604800 }
    max_image_bytes        = { value = var.max_image_bytes, min = 1, max = 999999999999 }
    max_queued_jobs        = { value = var.max_queued_jobs, min = 0, max = 999999999999 }
    retention_days         = { value = var.retention_days, min = 1, max = 36500 }
    form_per_minute        = { value = var.form_per_minute, min = 0, max = 999999999999 }
    form_per_hour          = { value = var.form_per_hour, min = 0, max = 999999999999 }
    trusted_proxies        = { value = var.trusted_proxies, min = 0, max = 999999999999 }
    secrets_version        = { value = var.secrets_version, min = 1 }
    min_instances          = { value = var.min_instances, min = 0 }
    max_instances          = { value = var.max_instances, min = max(1, var.min_instances) }
    backup_retention_days  = { value = var.backup_retention_days, min = 1, max = 98 } # 14 weeks
    image_retention_days   = { value = var.image_retention_days, min = 1 }
    monthly_budget_usd     = { value = var.monthly_budget_usd, min = 1 }
  }, { for secret, version in var.secret_versions : "secret_versions.${secret}" => { value = version, min = 1 } })

  invalid_numbers = [
    for name, number in local.whole_numbers :
    "${name} must be a whole number ${can(number.max) ? "from ${number.min} to ${number.max}" : "of at least ${number.min}"}."
    if number.value == null ? false : floor(number.value) != number.value || number.value < number.min || number.value > try(number.max, number.value)
  ]
}
