# Authentication settings of the trigger, one variable each. With null the default in shared/config.py applies.

variable "form_origins" {
  description = "Origins whose pages may submit jobs without a token, within form_per_minute and form_per_hour, such as https://example.com."
  type        = list(string)
  default     = null

  validation {
    condition = var.form_origins == null || try(
      length(var.form_origins) > 0 && alltrue([for origin in var.form_origins : can(regex("^https?://[a-z0-9.-]+(:[0-9]+)?$", origin))]), false
    )
    error_message = "Each entry of form_origins must be scheme://host[:port] in lowercase, without a path or wildcard."
  }
}

variable "form_per_minute" {
  description = "Maximum new jobs per minute that browsers without a token may submit from one IP address; 0: no limit."
  type        = number
  default     = null
}

variable "form_per_hour" {
  description = "Maximum new jobs per hour that browsers without a token may submit in total; 0: no limit."
  type        = number
  default     = null
}

variable "form_require_token" {
  description = "Whether forms must send a form token, which the page fetches first (needs JavaScript)."
  type        = bool
  default     = null
}

variable "turnstile_site_key" {
  description = "Site key of Cloudflare Turnstile for the playground; it is public."
  type        = string
  default     = null

  validation {
    condition     = var.turnstile_site_key == null || can(regex("^[!-~]+$", var.turnstile_site_key))
    error_message = "turnstile_site_key must be one word of visible ASCII characters."
  }
}

variable "playground" {
  description = "Whether GET / is a page on which people create images, with a token or, if form_origins has the trigger's own origin, without."
  type        = bool
  default     = null
}

variable "trusted_proxies" {
  description = "Number of your own proxies in front of the trigger: the client's address is that many entries further left in X-Forwarded-For."
  type        = number
  default     = null

  validation {
    condition     = coalesce(var.trusted_proxies, 0) <= 0 || var.ingress != "all"
    error_message = "With ingress = all callers can reach the run.app URL without your proxies and invent addresses: restrict ingress."
  }
}

variable "event_service_account" {
  description = "Service account that sends events, which Pub/Sub must be allowed to use. Default: one is created if pubsub_push or eventarc needs it."
  type        = string
  default     = null

  validation {
    condition     = var.event_service_account == null || can(regex("^[a-z0-9-]+@[a-z0-9.-]+\\.gserviceaccount\\.com$", var.event_service_account))
    error_message = "event_service_account must be the email address of a service account, such as events@my-project.iam.gserviceaccount.com."
  }
}

variable "event_audience" {
  description = "Audience of the tokens of events. Default: the trigger's own URL, https://NAME-trigger-PROJECTNUMBER.REGION.run.app."
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
