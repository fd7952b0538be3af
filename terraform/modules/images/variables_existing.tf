# What may exist already, and is then used instead of being created.

variable "secret_ids" {
  description = "Existing secrets by the name of their variable, such as { api_key = \"projects/P/secrets/S\" }, or with /versions/N; otherwise latest."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = length(setsubtract(keys(var.secret_ids), local.secret_variables)) == 0
    error_message = "The keys of secret_ids may be ${join(", ", local.secret_variables)}."
  }

  validation {
    condition     = alltrue([for id in values(var.secret_ids) : can(regex("^projects/[^/\\s]+/secrets/[\\w-]+(/versions/([1-9][0-9]*|latest))?$", id))])
    error_message = "Each value of secret_ids must look like projects/PROJECT/secrets/SECRET or projects/PROJECT/secrets/SECRET/versions/N."
  }
}

variable "notification_channels" {
  description = "Existing notification channels, as projects/PROJECT/notificationChannels/ID, in addition to those of notification_emails."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for id in var.notification_channels : can(regex("^projects/[^/\\s]+/notificationChannels/[0-9]+$", id))])
    error_message = "Each entry of notification_channels must look like projects/PROJECT/notificationChannels/ID."
  }
}

variable "labels" {
  description = "Labels of every resource that has labels, for example { team = \"web\" }."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for key, value in var.labels : can(regex("^[a-z][a-z0-9_-]{0,62}$", key)) && can(regex("^[a-z0-9_-]{0,63}$", value))])
    error_message = "Keys and values of labels may have 63 lowercase letters, digits, underscores, and hyphens; a key begins with a letter."
  }
}

variable "kms_key" {
  description = "Cloud KMS key in region that encrypts the buckets, database, topics, and secrets. The key of an existing database cannot change."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key == null || can(regex("^projects/[^/\\s]+/locations/[^/\\s]+/keyRings/[^/\\s]+/cryptoKeys/[^/\\s]+$", var.kms_key))
    error_message = "kms_key must look like projects/PROJECT/locations/REGION/keyRings/RING/cryptoKeys/KEY."
  }

  validation {
    condition = var.kms_key == null || alltrue([
      for location in [var.region, coalesce(var.database_location, var.region)] : strcontains(coalesce(var.kms_key, "-"), "/locations/${location}/")
    ])
    error_message = "kms_key must be in region, and so must the database: a database in a multi-region cannot use a regional key."
  }
}

variable "docker_repository" {
  description = "Existing Artifact Registry repository for the container images of the builds. Default: gcf-artifacts, which Google creates."
  type        = string
  default     = null

  validation {
    condition     = var.docker_repository == null || can(regex("^projects/[^/\\s]+/locations/[^/\\s]+/repositories/[^/\\s]+$", var.docker_repository))
    error_message = "docker_repository must look like projects/PROJECT/locations/REGION/repositories/REPOSITORY."
  }
}

variable "service_accounts" {
  description = "Email addresses of existing service accounts, by task: build, trigger, poller, scheduler. They are granted their roles."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = length(setsubtract(keys(var.service_accounts), ["build", "trigger", "poller", "scheduler"])) == 0
    error_message = "The keys of service_accounts may be build, trigger, poller, and scheduler."
  }

  validation {
    condition     = alltrue([for email in values(var.service_accounts) : can(regex("^[a-z0-9-]+@[a-z0-9-]+\\.iam\\.gserviceaccount\\.com$", email))])
    error_message = "Each value of service_accounts must look like NAME@PROJECT.iam.gserviceaccount.com."
  }

  validation {
    condition     = length(distinct(values(var.service_accounts))) == length(var.service_accounts)
    error_message = "Each task requires a service account of its own."
  }
}
