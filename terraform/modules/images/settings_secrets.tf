# Secret settings. Their values are in neither the plan nor the state.

locals {
  # Environment variable => its Terraform variable and the functions that read it. A webhook id is a secret because it
  # is enough to spend credits.
  known_secrets = {
    WIREFLOW_WEBHOOK_ID     = { variable = "webhook_id", readers = ["trigger", "poller"] }
    WIREFLOW_API_KEY        = { variable = "api_key", readers = ["trigger", "poller"] }
    WIREFLOW_WORKFLOWS      = { variable = "wireflow_workflows", readers = ["trigger", "poller"] }
    TRIGGER_TOKENS          = { variable = "trigger_tokens", readers = ["trigger"] }
    TRIGGER_SIGNING_SECRETS = { variable = "trigger_signing_secrets", readers = ["trigger"] }
    TURNSTILE_SECRET        = { variable = "turnstile_secret", readers = ["trigger"] }

    CALLBACK_SIGNING_SECRETS = { variable = "callback_signing_secrets", readers = ["poller"] }

    # Each function knows the other's signing secrets by their SHA-256, and does not start with one of them: the
    # receiver of a message could send it back as a signed request.
    TRIGGER_SIGNING_SECRETS_SHA256  = { variable = "trigger_signing_secrets_sha256", readers = ["poller"] }
    CALLBACK_SIGNING_SECRETS_SHA256 = { variable = "callback_signing_secrets_sha256", readers = ["trigger"] }
  }
  optional_secrets = ["trigger_tokens", "trigger_signing_secrets", "callback_signing_secrets", "turnstile_secret", "wireflow_workflows"]
  secret_variables = [for secret in values(local.known_secrets) : secret.variable]

  has_workflows = contains(concat(var.secrets, keys(var.secret_ids)), "wireflow_workflows")
  has_dollar_limit = anytrue([
    coalesce(var.daily_spend_usd, 0) > 0,
    coalesce(var.monthly_spend_usd, 0) > 0,
    coalesce(var.spend_per_10_minutes_usd, 0) > 0,
    try(anytrue([for limits in values(var.caller_limits) : can(limits.usdPerDay) || can(limits.usdPerMonth)]), false),
  ])
}

variable "webhook_id" {
  description = "Wireflow webhook id, required unless secret_ids names it. Set it as TF_VAR_webhook_id; it never reaches the plan or the state."
  type        = string
  default     = ""
  ephemeral   = true
  sensitive   = true
  nullable    = false

  validation {
    condition     = (trimspace(var.webhook_id) != "") != contains(keys(var.secret_ids), "webhook_id")
    error_message = "webhook_id must have a value, unless secret_ids names it."
  }
}

variable "api_key" {
  description = "Wireflow API key, required unless secret_ids names it. Set it as TF_VAR_api_key; it never reaches the plan or the state."
  type        = string
  default     = ""
  ephemeral   = true
  sensitive   = true
  nullable    = false

  validation {
    condition     = (trimspace(var.api_key) != "") != contains(keys(var.secret_ids), "api_key")
    error_message = "api_key must have a value, unless secret_ids names it."
  }
}

variable "secrets" {
  description = "Optional secrets that have a value: trigger_tokens, trigger_signing_secrets, callback_signing_secrets, turnstile_secret, wireflow_workflows."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for name in var.secrets : contains(local.optional_secrets, name)])
    error_message = "secrets may contain ${join(", ", local.optional_secrets)}."
  }

  validation {
    condition     = length(setintersection(var.secrets, keys(var.secret_ids))) == 0
    error_message = "A secret has a value and is named in secrets, or it exists and is named in secret_ids."
  }
}

variable "trigger_tokens" {
  description = "Callers' tokens as JSON: name => SHA-256 in lowercase hex, or {\"sha256\", \"admin\"}. `python -m functions token NAME` creates one."
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
    condition = var.trigger_tokens == "" || try(length(keys(jsondecode(var.trigger_tokens))) > 0 && alltrue([
      for name, token in jsondecode(var.trigger_tokens) : can(regex("^[0-9a-f]{64}$", try(token.sha256, token)))
    ]), false)
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
    condition = var.trigger_signing_secrets == "" || try(length(keys(jsondecode(var.trigger_signing_secrets))) > 0 && alltrue([
      for name, secrets in jsondecode(var.trigger_signing_secrets) :
      length(secrets) > 0 && alltrue([for secret in secrets : startswith(secret, "whsec_")])
    ]), false)
    error_message = "trigger_signing_secrets must be a JSON object: name => list of secrets that begin with whsec_."
  }
}

variable "callback_signing_secrets" {
  description = "Secrets that sign the messages for callbackUrl, as JSON: caller or * => list of at most two whsec_…; without any they are not signed."
  type        = string
  default     = ""
  ephemeral   = true
  sensitive   = true
  nullable    = false

  validation {
    condition     = (var.callback_signing_secrets != "") == contains(var.secrets, "callback_signing_secrets")
    error_message = "callback_signing_secrets must have a value if and only if secrets names it."
  }

  validation {
    condition = var.callback_signing_secrets == "" || try(length(keys(jsondecode(var.callback_signing_secrets))) > 0 && alltrue([
      for name, secrets in jsondecode(var.callback_signing_secrets) :
      length(secrets) > 0 && length(secrets) < 3 && alltrue([for secret in secrets : startswith(secret, "whsec_")])
    ]), false)
    error_message = "callback_signing_secrets must be a JSON object: name => list of at most two secrets that begin with whsec_."
  }

  validation {
    condition = var.callback_signing_secrets == "" || length(setintersection(
      try(flatten(values(jsondecode(var.trigger_signing_secrets))), []), try(flatten(values(jsondecode(var.callback_signing_secrets))), [])
    )) == 0
    error_message = "callback_signing_secrets and trigger_signing_secrets have a secret in common: a receiver could send its message back as a request."
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
    condition = var.wireflow_workflows == "" || try(length(keys(jsondecode(var.wireflow_workflows))) > 0 && alltrue([
      for name, workflow in jsondecode(var.wireflow_workflows) : contains(["webhook", "run", "execute"], workflow.mode) && workflow.id != ""
    ]), false)
    error_message = "wireflow_workflows must be a JSON object: name => {\"mode\": \"webhook\", \"run\" or \"execute\", \"id\": …}."
  }

  # The functions refuse the same at their start. Without default, webhook_id is the workflow default, which has no price.
  validation {
    condition = !local.has_dollar_limit || var.wireflow_workflows == "" || try(contains(keys(jsondecode(var.wireflow_workflows)), "default") && alltrue([
      for workflow in values(jsondecode(var.wireflow_workflows)) : try(workflow.pricePerImage, null) != null
    ]), false)
    error_message = "With a limit in dollars each of wireflow_workflows needs pricePerImage, and default must be one of them."
  }
}

variable "secrets_version" {
  description = "Raise by one when the value of any secret changes: Terraform cannot see changes of write-only values."
  type        = number
  default     = 1
  nullable    = false
}

variable "secret_versions" {
  description = "Versions of individual secrets, by the name of their variable, which replace secrets_version: { api_key = 2 } changes api_key alone."
  type        = map(number)
  default     = {}
  nullable    = false

  validation {
    condition     = length(setsubtract(keys(var.secret_versions), local.secret_variables)) == 0
    error_message = "The keys of secret_versions may be ${join(", ", local.secret_variables)}."
  }
}
