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

variable "wireflow_models" {
  description = "Models beside those that are known, each with its resolutions."
  type        = map(list(string))
  default     = null

  validation {
    condition     = var.wireflow_models == null || try(length(var.wireflow_models) > 0 && alltrue([for name, resolutions in var.wireflow_models : can(regex("^[a-z0-9_]+$", name)) && length(resolutions) > 0 && alltrue([for resolution in resolutions : can(regex("^[0-9A-Za-z]+$", resolution))])]), false)
    error_message = "wireflow_models is a map: name of a model => list of its resolutions, such as [\"1K\", \"2K\"]."
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

# --- who may come in, and how often: the trigger's alone ----------------------------------------------------------

variable "form_origins" {
  description = "Origins whose pages may post without a token, such as https://example.com. Anyone who opens such a page may spend, within the two limits below."
  type        = list(string)
  default     = null

  validation {
    condition     = var.form_origins == null || try(length(var.form_origins) > 0 && alltrue([for origin in var.form_origins : can(regex("^https?://[a-z0-9.-]+(:[0-9]+)?$", origin))]), false)
    error_message = "An origin is scheme://host[:port] in lower case, without a path or a wildcard."
  }
}

variable "form_per_minute" {
  description = "Jobs that browsers without a token may make a minute from one address; 0: no limit."
  type        = number
  default     = null

  validation {
    condition     = var.form_per_minute == null || try(var.form_per_minute >= 0 && floor(var.form_per_minute) == var.form_per_minute, false)
    error_message = "form_per_minute is a whole number from 0 on."
  }
}

variable "form_per_hour" {
  description = "Jobs that browsers without a token may make an hour in all; 0: no limit."
  type        = number
  default     = null

  validation {
    condition     = var.form_per_hour == null || try(var.form_per_hour >= 0 && floor(var.form_per_hour) == var.form_per_hour, false)
    error_message = "form_per_hour is a whole number from 0 on."
  }
}

variable "form_require_token" {
  description = "Whether a form must send a form token, which its page fetches first."
  type        = bool
  default     = null
}

variable "trusted_proxies" {
  description = "How many proxies of yours stand before the trigger: so many entries further left in X-Forwarded-For is the caller's address."
  type        = number
  default     = null

  validation {
    condition     = var.trusted_proxies == null || try(var.trusted_proxies >= 0 && floor(var.trusted_proxies) == var.trusted_proxies, false)
    error_message = "trusted_proxies is a whole number from 0 on."
  }
}

variable "event_service_account" {
  description = "Account whose Google-signed tokens events come with; null: one is made if pubsub_push or eventarc needs it. One that is named must be usable by Pub/Sub, and may call the trigger."
  type        = string
  default     = null

  validation {
    condition     = var.event_service_account == null || can(regex("^[a-z0-9-]+@[a-z0-9.-]+\\.gserviceaccount\\.com$", var.event_service_account))
    error_message = "event_service_account is the address of a service account, such as events@my-project.iam.gserviceaccount.com."
  }
}

variable "event_audience" {
  description = "Audience of those tokens; null: the trigger's own https://NAME-trigger-PROJECTNUMBER.REGION.run.app."
  type        = string
  default     = null

  validation {
    condition     = var.event_audience == null || can(regex("^[!-~]+$", var.event_audience))
    error_message = "event_audience is one word, as a rule an address."
  }

  validation {
    condition     = var.event_audience == null || var.event_service_account != null || var.pubsub_push || var.eventarc
    error_message = "event_audience needs event_service_account, pubsub_push or eventarc."
  }
}

# --- secret settings, which never reach the plan or the state -----------------------------------------------------

variable "secrets" {
  description = "Which of the optional secrets below are in use, by name: Terraform may not look at an ephemeral value to decide what to make."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for name in var.secrets : contains(["trigger_tokens", "trigger_signing_secrets", "turnstile_secret", "wireflow_workflows"], name)])
    error_message = "The optional secrets are trigger_tokens, trigger_signing_secrets, turnstile_secret and wireflow_workflows."
  }
}

variable "trigger_tokens" {
  description = "Tokens of callers, as JSON: name => SHA-256 of the token in lower-case hex, or {\"sha256\", \"admin\"}. `python -m functions token NAME` prints one."
  type        = string
  default     = ""
  ephemeral   = true
  sensitive   = true
  nullable    = false

  validation {
    condition     = (var.trigger_tokens != "") == contains(var.secrets, "trigger_tokens")
    error_message = "trigger_tokens has a value if and only if secrets names it."
  }

  validation {
    condition     = var.trigger_tokens == "" || try(length(keys(jsondecode(var.trigger_tokens))) > 0 && alltrue([for name, token in jsondecode(var.trigger_tokens) : can(regex("^[0-9a-f]{64}$", try(token.sha256, token)))]), false)
    error_message = "trigger_tokens is a JSON object: name => SHA-256 in 64 lower-case hex digits, or {\"sha256\": …, \"admin\": true}."
  }
}

variable "trigger_signing_secrets" {
  description = "Secrets of callers that sign with Standard Webhooks, as JSON: name => list of whsec_…, two while one is changed."
  type        = string
  default     = ""
  ephemeral   = true
  sensitive   = true
  nullable    = false

  validation {
    condition     = (var.trigger_signing_secrets != "") == contains(var.secrets, "trigger_signing_secrets")
    error_message = "trigger_signing_secrets has a value if and only if secrets names it."
  }

  validation {
    condition     = var.trigger_signing_secrets == "" || try(length(keys(jsondecode(var.trigger_signing_secrets))) > 0 && alltrue([for name, secrets in jsondecode(var.trigger_signing_secrets) : length(secrets) > 0 && alltrue([for secret in secrets : startswith(secret, "whsec_")])]), false)
    error_message = "trigger_signing_secrets is a JSON object: name => list of secrets that begin with whsec_."
  }
}

variable "turnstile_secret" {
  description = "Secret key of Cloudflare Turnstile: posts of browsers without a token then need its answer."
  type        = string
  default     = ""
  ephemeral   = true
  sensitive   = true
  nullable    = false

  validation {
    condition     = (var.turnstile_secret != "") == contains(var.secrets, "turnstile_secret")
    error_message = "turnstile_secret has a value if and only if secrets names it."
  }

  validation {
    condition     = var.turnstile_secret == "" || can(regex("^[!-~]+$", trimspace(var.turnstile_secret)))
    error_message = "turnstile_secret is one word."
  }
}

variable "wireflow_workflows" {
  description = "Workflows by name, as JSON: see the README. A secret, because it holds webhook ids."
  type        = string
  default     = ""
  ephemeral   = true
  sensitive   = true
  nullable    = false

  validation {
    condition     = (var.wireflow_workflows != "") == contains(var.secrets, "wireflow_workflows")
    error_message = "wireflow_workflows has a value if and only if secrets names it."
  }

  validation {
    condition     = var.wireflow_workflows == "" || try(length(keys(jsondecode(var.wireflow_workflows))) > 0 && alltrue([for name, workflow in jsondecode(var.wireflow_workflows) : contains(["webhook", "run", "execute"], workflow.mode) && workflow.id != ""]), false)
    error_message = "wireflow_workflows is a JSON object: name => {\"mode\": \"webhook\", \"run\" or \"execute\", \"id\": …}."
  }
}
