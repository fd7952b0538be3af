# Settings of the functions, one variable each. null: the name is left out, and the default in shared/config.py holds.

variable "public_url" {
  description = "Address that answers show, such as https://images.example.com; null: the trigger's own https://NAME-trigger-PROJECTNUMBER.REGION.run.app."
  type        = string
  default     = null

  validation {
    condition     = var.public_url == null || can(regex("^https://[^?#\\s]+$", var.public_url))
    error_message = "public_url is an https:// address without query or fragment."
  }
}

variable "wireflow_base_url" {
  description = "Wireflow's address, with /api/v1."
  type        = string
  default     = null

  validation {
    condition     = var.wireflow_base_url == null || can(regex("^https://[^?#\\s]+$", var.wireflow_base_url))
    error_message = "wireflow_base_url is an https:// address without query or fragment."
  }
}

variable "wireflow_plan" {
  description = "Wireflow plan, for its limits: free, starter, pro or enterprise."
  type        = string
  default     = null

  validation {
    condition     = var.wireflow_plan == null || try(contains(["free", "starter", "pro", "enterprise"], var.wireflow_plan), false)
    error_message = "The plan is free, starter, pro or enterprise."
  }
}

variable "executions_per_minute" {
  description = "Executions to start a minute instead of the plan's; 0: no limit."
  type        = number
  default     = null

  validation {
    condition     = var.executions_per_minute == null || try(var.executions_per_minute >= 0 && floor(var.executions_per_minute) == var.executions_per_minute, false)
    error_message = "executions_per_minute is a whole number from 0 on."
  }
}

variable "daily_executions" {
  description = "Executions to start a day instead of the plan's; 0: no limit. It bounds what a day can cost."
  type        = number
  default     = null

  validation {
    condition     = var.daily_executions == null || try(var.daily_executions >= 0 && floor(var.daily_executions) == var.daily_executions, false)
    error_message = "daily_executions is a whole number from 0 on."
  }
}

variable "on_unknown" {
  description = "What becomes of a job when Wireflow never said whether its run was started: retry (once, with the same key) or hold (fail at once)."
  type        = string
  default     = null

  validation {
    condition     = var.on_unknown == null || try(contains(["retry", "hold"], var.on_unknown), false)
    error_message = "on_unknown is retry or hold."
  }
}

variable "poll_window_seconds" {
  description = "How long one call of the poller works at most. Its timeout and Scheduler's deadline follow from it."
  type        = number
  default     = null

  validation {
    # Scheduler waits 30 minutes at most, and the longest copy comes on top.
    condition     = var.poll_window_seconds == null || try(var.poll_window_seconds >= 10 && var.poll_window_seconds <= 1500 && floor(var.poll_window_seconds) == var.poll_window_seconds, false)
    error_message = "poll_window_seconds is a whole number from 10 to 1500."
  }
}

variable "poll_idle_exit_seconds" {
  description = "How long a window stays open with nothing in flight. It is nearly all that an idle deployment costs."
  type        = number
  default     = null

  validation {
    condition     = var.poll_idle_exit_seconds == null || try(var.poll_idle_exit_seconds >= 1 && floor(var.poll_idle_exit_seconds) == var.poll_idle_exit_seconds, false)
    error_message = "poll_idle_exit_seconds is a whole number from 1 on."
  }
}

variable "lease_seconds" {
  description = "How long a job stays with a worker that has died."
  type        = number
  default     = null

  validation {
    condition     = var.lease_seconds == null || try(var.lease_seconds >= 20 && floor(var.lease_seconds) == var.lease_seconds, false)
    error_message = "lease_seconds is a whole number from 20 on."
  }
}

variable "run_deadline_seconds" {
  description = "How long a run may take at Wireflow before the job fails with timed_out."
  type        = number
  default     = null

  validation {
    condition     = var.run_deadline_seconds == null || try(var.run_deadline_seconds >= 1 && floor(var.run_deadline_seconds) == var.run_deadline_seconds, false)
    error_message = "run_deadline_seconds is a whole number from 1 on."
  }
}

variable "max_image_bytes" {
  description = "Size of the largest image that is stored."
  type        = number
  default     = null

  validation {
    condition     = var.max_image_bytes == null || try(var.max_image_bytes >= 1 && floor(var.max_image_bytes) == var.max_image_bytes, false)
    error_message = "max_image_bytes is a whole number from 1 on."
  }
}

variable "max_queue_hours" {
  description = "How long a job may wait before it fails."
  type        = number
  default     = null

  validation {
    condition     = var.max_queue_hours == null || try(var.max_queue_hours > 0, false)
    error_message = "max_queue_hours is above 0."
  }
}

variable "retention_days" {
  description = "Days that a job is kept after which Firestore deletes it; its images stay."
  type        = number
  default     = null

  validation {
    condition     = var.retention_days == null || try(var.retention_days >= 1 && floor(var.retention_days) == var.retention_days, false)
    error_message = "retention_days is a whole number from 1 on."
  }
}

variable "image_hosts" {
  description = "Hosts that images may be copied from, each host or host:port with its subdomains; they replace the default."
  type        = list(string)
  default     = null

  validation {
    condition     = var.image_hosts == null || try(length(var.image_hosts) > 0 && alltrue([for host in var.image_hosts : can(regex("^[a-z0-9.-]+(:[0-9]+)?$", host))]), false)
    error_message = "Each image host is a lower-case host or host:port, without a scheme or path."
  }
}
