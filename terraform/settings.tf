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
    condition     = var.wireflow_models == null || try(length(keys(var.wireflow_models)) > 0 && alltrue([for name in keys(var.wireflow_models) : can(regex("^[a-z0-9_]+$", name))]), false)
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
    error_message = "The values of wireflow_models must be lists of resolutions, such as [\"1K\", \"2K\"], or objects such as { resolutions = [\"1K\"], aspectRatios = [\"1:1\", \"16:9\"], inputImages = 3 }."
  }
}

variable "executions_per_minute" {
  description = "Maximum executions per minute, instead of the plan's; 0: no limit."
  type        = number
  default     = null

  validation {
    condition     = var.executions_per_minute == null || try(var.executions_per_minute >= 0 && floor(var.executions_per_minute) == var.executions_per_minute, false)
    error_message = "executions_per_minute must be a whole number of at least 0."
  }
}

variable "daily_executions" {
  description = "Maximum executions per day, instead of the plan's; 0: no limit. Caps what a day can cost."
  type        = number
  default     = null

  validation {
    condition     = var.daily_executions == null || try(var.daily_executions >= 0 && floor(var.daily_executions) == var.daily_executions, false)
    error_message = "daily_executions must be a whole number of at least 0."
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

  validation {
    # Cloud Scheduler waits at most 30 minutes, which must also cover the longest copy.
    condition     = var.poll_window_seconds == null || try(var.poll_window_seconds >= 10 && var.poll_window_seconds <= 1500 && floor(var.poll_window_seconds) == var.poll_window_seconds, false)
    error_message = "poll_window_seconds must be a whole number from 10 to 1500."
  }
}

variable "poll_idle_exit_seconds" {
  description = "Seconds that a window stays open with no job in flight. This is most of the cost of an idle deployment."
  type        = number
  default     = null

  validation {
    condition     = var.poll_idle_exit_seconds == null || try(var.poll_idle_exit_seconds >= 1 && floor(var.poll_idle_exit_seconds) == var.poll_idle_exit_seconds, false)
    error_message = "poll_idle_exit_seconds must be a whole number of at least 1."
  }
}

variable "lease_seconds" {
  description = "Seconds until another worker may take over a job whose worker has died."
  type        = number
  default     = null

  validation {
    condition     = var.lease_seconds == null || try(var.lease_seconds >= 20 && floor(var.lease_seconds) == var.lease_seconds, false)
    error_message = "lease_seconds must be a whole number of at least 20."
  }
}

variable "run_deadline_seconds" {
  description = "Seconds that a run may take at Wireflow before the job fails with timed_out."
  type        = number
  default     = null

  validation {
    condition     = var.run_deadline_seconds == null || try(var.run_deadline_seconds >= 1 && floor(var.run_deadline_seconds) == var.run_deadline_seconds, false)
    error_message = "run_deadline_seconds must be a whole number of at least 1."
  }
}

variable "max_image_bytes" {
  description = "Maximum size of an image in bytes; larger images are rejected."
  type        = number
  default     = null

  validation {
    condition     = var.max_image_bytes == null || try(var.max_image_bytes >= 1 && floor(var.max_image_bytes) == var.max_image_bytes, false)
    error_message = "max_image_bytes must be a whole number of at least 1."
  }
}

variable "max_queue_hours" {
  description = "Hours that a job may be queued before it fails."
  type        = number
  default     = null

  validation {
    condition     = var.max_queue_hours == null || try(var.max_queue_hours > 0, false)
    error_message = "max_queue_hours must be greater than 0."
  }
}

variable "max_queued_jobs" {
  description = "How many jobs may be queued; beyond it new ones are rejected with 429. 0: no limit."
  type        = number
  default     = null

  validation {
    condition     = var.max_queued_jobs == null || try(var.max_queued_jobs >= 0 && floor(var.max_queued_jobs) == var.max_queued_jobs, false)
    error_message = "max_queued_jobs must be a whole number of at least 0."
  }
}

variable "retention_days" {
  description = "Days until Firestore deletes a job's document. Its images stay."
  type        = number
  default     = null

  validation {
    condition     = var.retention_days == null || try(var.retention_days >= 1 && floor(var.retention_days) == var.retention_days, false)
    error_message = "retention_days must be a whole number of at least 1."
  }
}

variable "image_hosts" {
  description = "Hosts that images may be copied from, as host or host:port; each includes its subdomains. Replaces the default list."
  type        = list(string)
  default     = null

  validation {
    condition     = var.image_hosts == null || try(length(var.image_hosts) > 0 && alltrue([for host in var.image_hosts : can(regex("^[a-z0-9.-]+(:[0-9]+)?$", host))]), false)
    error_message = "Each entry of image_hosts must be a lowercase host or host:port, without a scheme or path."
  }
}

# --- authentication and rate limits of the trigger ----------------------------------------------------------------

variable "form_origins" {
  description = "Origins whose pages may submit jobs without a token, such as https://example.com. Anyone who opens such a page can spend credits, within the two limits below."
  type        = list(string)
  default     = null

  validation {
    condition     = var.form_origins == null || try(length(var.form_origins) > 0 && alltrue([for origin in var.form_origins : can(regex("^https?://[a-z0-9.-]+(:[0-9]+)?$", origin))]), false)
    error_message = "Each entry of form_origins must be scheme://host[:port] in lowercase, without a path or wildcard."
  }
}

variable "form_per_minute" {
  description = "Maximum new jobs per minute that browsers without a token may submit from one IP address; 0: no limit."
  type        = number
  default     = null

  validation {
    condition     = var.form_per_minute == null || try(var.form_per_minute >= 0 && floor(var.form_per_minute) == var.form_per_minute, false)
    error_message = "form_per_minute must be a whole number of at least 0."
  }
}

variable "form_per_hour" {
  description = "Maximum new jobs per hour that browsers without a token may submit in total; 0: no limit."
  type        = number
  default     = null

  validation {
    condition     = var.form_per_hour == null || try(var.form_per_hour >= 0 && floor(var.form_per_hour) == var.form_per_hour, false)
    error_message = "form_per_hour must be a whole number of at least 0."
  }
}

variable "form_require_token" {
  description = "Whether forms must send a form token, which the page fetches first (needs JavaScript)."
  type        = bool
  default     = null
}

variable "trusted_proxies" {
  description = "Number of your own proxies in front of the trigger: the client's address is that many entries further left in X-Forwarded-For."
  type        = number
  default     = null

  validation {
    condition     = var.trusted_proxies == null || try(var.trusted_proxies >= 0 && floor(var.trusted_proxies) == var.trusted_proxies, false)
    error_message = "trusted_proxies must be a whole number of at least 0."
  }
}

variable "event_service_account" {
  description = "Service account whose Google-signed tokens authenticate events. Default: one is created if pubsub_push or eventarc needs it. Pub/Sub must be allowed to use an account named here; it is granted access to the trigger."
  type        = string
  default     = null

  validation {
    condition     = var.event_service_account == null || can(regex("^[a-z0-9-]+@[a-z0-9.-]+\\.gserviceaccount\\.com$", var.event_service_account))
    error_message = "event_service_account must be the email address of a service account, such as events@my-project.iam.gserviceaccount.com."
  }
}

variable "event_audience" {
  description = "Audience of those tokens. Default: the trigger's own URL, https://NAME-trigger-PROJECTNUMBER.REGION.run.app."
  type        = string
  default     = null

  validation {
    condition     = var.event_audience == null || can(regex("^[!-~]+$", var.event_audience))
    error_message = "event_audience must be one word of visible ASCII characters, usually a URL."
  }

  validation {
    condition     = var.event_audience == null || var.event_service_account != null || var.pubsub_push || var.eventarc
    error_message = "event_audience requires event_service_account, pubsub_push, or eventarc."
  }
}

# --- secret settings, which never reach the plan or the state -----------------------------------------------------

variable "secrets" {
  description = "Names of the optional secrets below that are in use. Terraform cannot use an ephemeral value to decide what to create."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for name in var.secrets : contains(["trigger_tokens", "trigger_signing_secrets", "turnstile_secret", "wireflow_workflows"], name)])
    error_message = "secrets may contain trigger_tokens, trigger_signing_secrets, turnstile_secret, and wireflow_workflows."
  }
}

variable "trigger_tokens" {
  description = "Callers' tokens as JSON: name => SHA-256 of the token in lowercase hex, or {\"sha256\", \"admin\"}. `python -m functions token NAME` creates one."
  type        = string
  default     = ""
  ephemeral   = true
  sensitive   = true
  nullable    = false

  validation {
    condition     = (var.trigger_tokens != "") == contains(var.secrets, "trigger_tokens")
    error_message = "trigger_tokens must have a value if and only if secrets names it."
  }

  validation {
    condition     = var.trigger_tokens == "" || try(length(keys(jsondecode(var.trigger_tokens))) > 0 && alltrue([for name, token in jsondecode(var.trigger_tokens) : can(regex("^[0-9a-f]{64}$", try(token.sha256, token)))]), false)
    error_message = "trigger_tokens must be a JSON object: name => SHA-256 as 64 lowercase hex digits, or {\"sha256\": …, \"admin\": true}."
  }
}

variable "trigger_signing_secrets" {
  description = "Signing secrets of callers that use Standard Webhooks, as JSON: name => list of whsec_…, two during a rotation."
  type        = string
  default     = ""
  ephemeral   = true
  sensitive   = true
  nullable    = false

  validation {
    condition     = (var.trigger_signing_secrets != "") == contains(var.secrets, "trigger_signing_secrets")
    error_message = "trigger_signing_secrets must have a value if and only if secrets names it."
  }

  validation {
    condition     = var.trigger_signing_secrets == "" || try(length(keys(jsondecode(var.trigger_signing_secrets))) > 0 && alltrue([for name, secrets in jsondecode(var.trigger_signing_secrets) : length(secrets) > 0 && alltrue([for secret in secrets : startswith(secret, "whsec_")])]), false)
    error_message = "trigger_signing_secrets must be a JSON object: name => list of secrets that begin with whsec_."
  }
}

variable "turnstile_secret" {
  description = "Secret key of Cloudflare Turnstile. If set, browsers without a token must send a Turnstile response."
  type        = string
  default     = ""
  ephemeral   = true
  sensitive   = true
  nullable    = false

  validation {
    condition     = (var.turnstile_secret != "") == contains(var.secrets, "turnstile_secret")
    error_message = "turnstile_secret must have a value if and only if secrets names it."
  }

  validation {
    condition     = var.turnstile_secret == "" || can(regex("^[!-~]+$", trimspace(var.turnstile_secret)))
    error_message = "turnstile_secret must be one word of visible ASCII characters."
  }
}

variable "wireflow_workflows" {
  description = "Workflows by name, as JSON; see \"Workflows\" in functions/trigger/README.md. A secret because it contains webhook ids."
  type        = string
  default     = ""
  ephemeral   = true
  sensitive   = true
  nullable    = false

  validation {
    condition     = (var.wireflow_workflows != "") == contains(var.secrets, "wireflow_workflows")
    error_message = "wireflow_workflows must have a value if and only if secrets names it."
  }

  validation {
    condition     = var.wireflow_workflows == "" || try(length(keys(jsondecode(var.wireflow_workflows))) > 0 && alltrue([for name, workflow in jsondecode(var.wireflow_workflows) : contains(["webhook", "run", "execute"], workflow.mode) && workflow.id != ""]), false)
    error_message = "wireflow_workflows must be a JSON object: name => {\"mode\": \"webhook\", \"run\" or \"execute\", \"id\": …}."
  }
}
