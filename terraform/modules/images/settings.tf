# Settings of the functions, one variable each. With null the default in shared/config.py applies.

variable "public_url" {
  description = "Base URL used in responses, such as https://images.example.com. Default: the trigger's own, https://NAME-trigger-PROJECTNUMBER.REGION.run.app."
  type        = string
  default     = null

  validation {
    condition     = var.public_url == null || can(regex("^https://[^?#\\s]+$", var.public_url))
    error_message = "public_url must be an https:// URL without query or fragment."
  }
}

variable "wireflow_base_url" {
  description = "Base URL of Wireflow's API, including /api/v1."
  type        = string
  default     = null

  validation {
    condition     = var.wireflow_base_url == null || can(regex("^https://[^?#\\s]+$", var.wireflow_base_url))
    error_message = "wireflow_base_url must be an https:// URL without query or fragment."
  }
}

variable "wireflow_plan" {
  description = "Wireflow plan, which sets the rate limits: free, starter, pro, or enterprise."
  type        = string
  default     = null

  validation {
    condition     = var.wireflow_plan == null || try(contains(["free", "starter", "pro", "enterprise"], var.wireflow_plan), false)
    error_message = "wireflow_plan must be free, starter, pro, or enterprise."
  }
}

variable "wireflow_models" {
  description = "Additional models, each with its resolutions, or with an object of any of resolutions, aspectRatios, and inputImages."
  type        = any # a map: each value is a list or an object
  default     = null

  validation {
    condition = var.wireflow_models == null || try(
      length(keys(var.wireflow_models)) > 0 && alltrue([for name in keys(var.wireflow_models) : can(regex("^[a-z0-9_]+$", name))]), false
    )
    error_message = "wireflow_models must be a map whose keys are names of models: lower-case letters, digits, and _."
  }

  validation {
    condition = var.wireflow_models == null || try(alltrue([for model in values(var.wireflow_models) : can(keys(model)) ? (
      length(setsubtract(keys(model), ["resolutions", "aspectRatios", "inputImages"])) == 0
      && alltrue([for resolution in try(model.resolutions, []) : can(regex("^[0-9A-Za-z]+$", resolution))])
      && alltrue([for ratio in try(model.aspectRatios, []) : can(regex("^[1-9][0-9]*:[1-9][0-9]*$", ratio))])
      && try(model.inputImages, 0) >= 0 && try(model.inputImages, 0) == floor(try(model.inputImages, 0))
      ) : length(model) > 0 && alltrue([for resolution in model : can(regex("^[0-9A-Za-z]+$", resolution))])
    ]), false)
    error_message = join(" ", [
      "The values of wireflow_models must be lists of resolutions, such as [\"1K\", \"2K\"], or objects such as",
      "{ resolutions = [\"1K\"], aspectRatios = [\"1:1\", \"16:9\"], inputImages = 3 }."
    ])
  }
}

variable "executions_per_minute" {
  description = "Maximum executions per minute, instead of the plan's; 0: no limit."
  type        = number
  default     = null
}

variable "daily_executions" {
  description = "Maximum executions per day, instead of the plan's; 0: no limit. Caps what a day can cost."
  type        = number
  default     = null
}

variable "usd_per_credit" {
  description = "US dollars for one credit of Wireflow, for the cost of a job and for its estimate without pricePerImage."
  type        = number
  default     = null

  validation {
    condition     = try(var.usd_per_credit >= 0.0001 && var.usd_per_credit <= 1000, var.usd_per_credit == null)
    error_message = "usd_per_credit must be a number from 0.0001 to 1000."
  }
}

variable "daily_spend_usd" {
  description = "Dollars that all jobs may spend on a day (UTC); 0: no limit. Every workflow then needs pricePerImage."
  type        = number
  default     = null

  validation {
    condition = try(
      var.daily_spend_usd >= 0.000001 && var.daily_spend_usd <= 100000000 || var.daily_spend_usd == 0, var.daily_spend_usd == null
    )
    error_message = "daily_spend_usd must be 0, or an amount in dollars from 0.000001 to 100000000."
  }

  validation {
    condition     = coalesce(var.daily_spend_usd, 0) == 0 || local.has_workflows
    error_message = "daily_spend_usd requires wireflow_workflows (named in secrets or secret_ids), with pricePerImage for each and for default."
  }
}

variable "monthly_spend_usd" {
  description = "Dollars that all jobs may spend in a month (UTC); 0: no limit. Every workflow then needs pricePerImage."
  type        = number
  default     = null

  validation {
    condition = try(
      var.monthly_spend_usd >= 0.000001 && var.monthly_spend_usd <= 100000000 || var.monthly_spend_usd == 0, var.monthly_spend_usd == null
    )
    error_message = "monthly_spend_usd must be 0, or an amount in dollars from 0.000001 to 100000000."
  }

  validation {
    condition     = coalesce(var.monthly_spend_usd, 0) == 0 || local.has_workflows
    error_message = "monthly_spend_usd requires wireflow_workflows (named in secrets or secret_ids), with pricePerImage for each and for default."
  }
}

variable "spend_per_10_minutes_usd" {
  description = "Dollars that all jobs may spend within ten minutes; 0: no limit. Every workflow then needs pricePerImage."
  type        = number
  default     = null

  validation {
    condition = try(
      var.spend_per_10_minutes_usd >= 0.000001 && var.spend_per_10_minutes_usd <= 100000000 || var.spend_per_10_minutes_usd == 0,
      var.spend_per_10_minutes_usd == null
    )
    error_message = "spend_per_10_minutes_usd must be 0, or an amount in dollars from 0.000001 to 100000000."
  }

  validation {
    condition     = coalesce(var.spend_per_10_minutes_usd, 0) == 0 || local.has_workflows
    error_message = "spend_per_10_minutes_usd requires wireflow_workflows (named in secrets or secret_ids), with pricePerImage for each and for default."
  }
}

variable "caller_limits" {
  description = "Limits of individual callers, by name, each with any of perDay (starts), usdPerDay, usdPerMonth, and maxQueued."
  type        = map(map(number))
  default     = null

  validation {
    condition = var.caller_limits == null || try(length(var.caller_limits) <= 200 && alltrue([
      for limits in values(var.caller_limits) :
      length(limits) > 0 && length(setsubtract(keys(limits), ["perDay", "usdPerDay", "usdPerMonth", "maxQueued"])) == 0
      && alltrue([for limit in values(limits) : limit > 0])
      && alltrue([for name in ["usdPerDay", "usdPerMonth"] : try(limits[name] >= 0.000001 && limits[name] <= 100000000, !can(limits[name]))])
      && alltrue([for name in ["perDay", "maxQueued"] : try(floor(limits[name]) == limits[name], !can(limits[name]))])
    ]), false)
    error_message = "caller_limits must be a map such as { zapier = { usdPerDay = 5, perDay = 100 } }: limits above 0, of at most 200 callers."
  }

  validation {
    condition = local.has_workflows || try(
      alltrue([for limits in values(var.caller_limits) : !can(limits.usdPerDay) && !can(limits.usdPerMonth)]), var.caller_limits == null
    )
    error_message = "usdPerDay and usdPerMonth require wireflow_workflows (named in secrets or secret_ids), with pricePerImage for each and for default."
  }
}

variable "on_unknown" {
  description = "What to do when the outcome of a paid call is unknown: retry (once, with the same idempotency key) or hold (fail the job)."
  type        = string
  default     = null

  validation {
    condition     = var.on_unknown == null || try(contains(["retry", "hold"], var.on_unknown), false)
    error_message = "on_unknown must be retry or hold."
  }
}

variable "poll_window_seconds" {
  description = "Maximum seconds that one call of the poller works. Its timeout and Cloud Scheduler's deadline are derived from it."
  type        = number
  default     = null
}

variable "poll_idle_exit_seconds" {
  description = "Seconds that a window stays open with no job in flight. This is most of the cost of an idle deployment."
  type        = number
  default     = null
}

variable "lease_seconds" {
  description = "Seconds until another worker may take over a job whose worker has died."
  type        = number
  default     = null
}

variable "run_deadline_seconds" {
  description = "Seconds that a run may take at Wireflow before the job fails with timed_out."
  type        = number
  default     = null
}

variable "max_image_bytes" {
  description = "Maximum size of an image in bytes; larger images are rejected."
  type        = number
  default     = null
}

variable "max_queue_hours" {
  description = "Hours that a job may be queued before it fails."
  type        = number
  default     = null

  validation {
    condition     = try(var.max_queue_hours >= 0.0001 && var.max_queue_hours <= 8760, var.max_queue_hours == null)
    error_message = "max_queue_hours must be a number from 0.0001 to 8760."
  }
}

variable "max_queued_jobs" {
  description = "How many jobs may be queued; beyond it new ones are rejected with 429. 0: no limit."
  type        = number
  default     = null
}

variable "retention_days" {
  description = "Days until Firestore deletes a job's document. Its images stay."
  type        = number
  default     = null

  # The functions refuse the same settings at their start. The defaults are those of shared/config.py.
  validation {
    condition     = 24 * coalesce(var.retention_days, 90) >= coalesce(var.max_queue_hours, 72) + coalesce(var.run_deadline_seconds, 1200) / 3600 + 24
    error_message = "retention_days must cover max_queue_hours, run_deadline_seconds, and 24 hours to copy the images."
  }
}

variable "image_hosts" {
  description = "Hosts that images may be copied from, as host or host:port; each includes its subdomains. Replaces the default list."
  type        = list(string)
  default     = null

  validation {
    condition = var.image_hosts == null || try(
      length(var.image_hosts) > 0 && alltrue([for host in var.image_hosts : can(regex("^[a-z0-9.-]+(:[0-9]+)?$", host))]), false
    )
    error_message = "Each entry of image_hosts must be a lowercase host or host:port, without a scheme or path."
  }
}
