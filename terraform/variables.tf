# --- required ----------------------------------------------------------------------------------------------------

variable "project_id" {
  description = "Google Cloud project that everything is created in. It must exist and have a billing account."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "A project id has 6 to 30 lower-case letters, digits and hyphens, and begins with a letter. The project's name or number will not do."
  }
}

variable "webhook_id" {
  description = "Wireflow webhook id. Best given as TF_VAR_webhook_id; it never reaches the plan or the state."
  type        = string
  ephemeral   = true
  sensitive   = true
  nullable    = false

  validation {
    condition     = trimspace(var.webhook_id) != ""
    error_message = "The webhook id is empty."
  }
}

variable "api_key" {
  description = "Wireflow API key. Best given as TF_VAR_api_key; it never reaches the plan or the state."
  type        = string
  ephemeral   = true
  sensitive   = true
  nullable    = false

  validation {
    condition     = trimspace(var.api_key) != ""
    error_message = "The API key is empty."
  }
}

# --- where, and under what name ----------------------------------------------------------------------------------

variable "region" {
  description = "Region of the functions, the buckets and the schedule, and of the database unless database_location says otherwise."
  type        = string
  default     = "us-central1"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+(-[a-z]+)+[0-9]+$", var.region))
    error_message = "A region looks like us-central1: no zone, no multi-region."
  }
}

variable "name" {
  description = "Prefix of the names of what is created."
  type        = string
  default     = "wireflow-images"
  nullable    = false

  validation {
    # The longest account id, NAME-scheduler, may have 30 characters. Underscores would become hyphens on Cloud Run.
    condition     = can(regex("^[a-z][a-z0-9-]{1,18}[a-z0-9]$", var.name))
    error_message = "The name has 3 to 20 lower-case letters, digits and hyphens, begins with a letter and does not end in a hyphen."
  }
}

# --- who may come in ---------------------------------------------------------------------------------------------

variable "public" {
  description = "Whether the trigger answers without a Google identity. Anyone who finds the address and comes through one of its doors may then spend your Wireflow credits."
  type        = bool
  default     = false
  nullable    = false

  validation {
    # The function would refuse to start: see shared/config.py.
    condition = !var.public || anytrue([
      length(setintersection(var.secrets, ["trigger_tokens", "trigger_signing_secrets"])) > 0,
      var.form_origins != null,
      var.event_service_account != null,
      var.pubsub_push,
      var.eventarc,
    ])
    error_message = "Without a door anyone could spend: a public trigger needs trigger_tokens or trigger_signing_secrets (named in secrets), form_origins, event_service_account, pubsub_push or eventarc."
  }
}

variable "invokers" {
  description = "Members who may call the trigger: \"user:…\", \"group:…\", \"serviceAccount:…\", \"domain:…\", \"principal://…\", \"principalSet://…\"."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for member in var.invokers : can(regex("^((user|group|serviceAccount|domain):|principal(Set)?://)[^\\s]+$", member))])
    error_message = "Each invoker is a member with its kind, such as user:ada@example.com. For everybody set public = true."
  }
}

# --- the secrets: see also settings.tf -----------------------------------------------------------------------------

variable "secrets_version" {
  description = "Raise it by one when the value of any secret changes: Terraform does not see that a write-only value did."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.secrets_version >= 1 && floor(var.secrets_version) == var.secrets_version
    error_message = "secrets_version is a whole number from 1 on."
  }
}

# --- events ------------------------------------------------------------------------------------------------------

variable "pubsub_push" {
  description = "Whether to make a topic whose messages become jobs, pushed to the trigger, with a dead-letter topic for those that will not go through."
  type        = bool
  default     = false
  nullable    = false
}

variable "eventarc" {
  description = "Whether to make an Eventarc trigger: the messages of a topic become jobs."
  type        = bool
  default     = false
  nullable    = false
}

variable "eventarc_topic" {
  description = "Topic that Eventarc takes messages from, as projects/PROJECT/topics/TOPIC; null: one is made."
  type        = string
  default     = null

  validation {
    condition     = var.eventarc_topic == null || can(regex("^projects/[^/\\s]+/topics/[^/\\s]+$", var.eventarc_topic))
    error_message = "eventarc_topic looks like projects/PROJECT/topics/TOPIC."
  }

  validation {
    condition     = var.eventarc_topic == null || var.eventarc
    error_message = "eventarc_topic needs eventarc = true."
  }

  validation {
    condition     = !(var.eventarc && var.pubsub_push && var.eventarc_topic == null)
    error_message = "With pubsub_push the new topic is delivered already; name another one in eventarc_topic."
  }
}

# --- the trigger's instances -------------------------------------------------------------------------------------

variable "min_instances" {
  description = "Instances of the trigger that are kept warm. Each costs about $10 a month; 0 costs nothing and a cold start of about a second."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.min_instances >= 0 && floor(var.min_instances) == var.min_instances
    error_message = "min_instances is a whole number from 0 on."
  }
}

variable "max_instances" {
  description = "Most instances of the trigger; each takes 12 requests at a time."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = var.max_instances >= max(1, var.min_instances) && floor(var.max_instances) == var.max_instances
    error_message = "max_instances is a whole number from 1 on, and not below min_instances."
  }
}

# --- the database ------------------------------------------------------------------------------------------------

variable "create_database" {
  description = "false: the database named database_name exists already (App Engine and Firebase make one). It keeps its own rules; its collections jobs and control are ours."
  type        = bool
  default     = true
  nullable    = false
}

variable "database_name" {
  description = "Firestore database of the jobs. Only one database of a project has a free tier."
  type        = string
  default     = "(default)"
  nullable    = false

  validation {
    condition     = var.database_name == "(default)" || can(regex("^[a-z][a-z0-9-]{2,61}[a-z0-9]$", var.database_name))
    error_message = "A database is \"(default)\", or 4 to 63 lower-case letters, digits and hyphens, begins with a letter and does not end in a hyphen."
  }
}

variable "database_location" {
  description = "Location of the database, such as nam5 or eur3; null: the region. It can never be changed."
  type        = string
  default     = null

  validation {
    condition     = var.database_location == null || can(regex("^[a-z][a-z0-9-]*[0-9]+$", var.database_location))
    error_message = "A location of Firestore looks like us-central1, nam5 or eur3."
  }
}

variable "delete_protection" {
  description = "Whether the database and the images survive a destroy. Apply with false first to take everything away."
  type        = bool
  default     = true
  nullable    = false
}

variable "point_in_time_recovery" {
  description = "Whether the database can be read as it was at any minute of the last seven days. Stored versions are billed."
  type        = bool
  default     = false
  nullable    = false
}

variable "backup_retention_days" {
  description = "Days that a daily backup of the database is kept; null: no backups. Backups are billed and outlive the database."
  type        = number
  default     = null

  validation {
    condition     = var.backup_retention_days == null || try(var.backup_retention_days >= 1 && var.backup_retention_days <= 98 && floor(var.backup_retention_days) == var.backup_retention_days, false)
    error_message = "Backups are kept for 1 to 98 days (14 weeks)."
  }
}

# --- the images --------------------------------------------------------------------------------------------------

variable "image_retention_days" {
  description = "Days after which an image is deleted; null: it is kept for ever."
  type        = number
  default     = null

  validation {
    condition     = var.image_retention_days == null || try(var.image_retention_days >= 1 && floor(var.image_retention_days) == var.image_retention_days, false)
    error_message = "Images are kept for 1 day or more; null keeps them for ever."
  }
}

variable "cors_origins" {
  description = "Origins whose pages may read images out of the bucket by script, such as https://example.com. Plain <img> needs none."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for origin in var.cors_origins : can(regex("^https?://[^/*\\s]+$", origin))])
    error_message = "An origin is scheme://host[:port], without a path or a wildcard."
  }
}

# --- watching ----------------------------------------------------------------------------------------------------

variable "notification_emails" {
  description = "Addresses that alerts and the budget write to."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for address in var.notification_emails : can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", address))])
    error_message = "Each entry is one e-mail address."
  }
}

variable "billing_account" {
  description = "Billing account (012345-6789AB-CDEF01) that the budget is on; needed with monthly_budget_usd only."
  type        = string
  default     = null

  validation {
    condition     = var.billing_account == null || can(regex("^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$", var.billing_account))
    error_message = "A billing account looks like 012345-6789AB-CDEF01."
  }
}

variable "monthly_budget_usd" {
  description = "Whole dollars a month of Google Cloud costs to warn at 50, 90 and 100 % of; null: no budget. The account must be billed in dollars."
  type        = number
  default     = null

  validation {
    condition     = var.monthly_budget_usd == null || try(var.monthly_budget_usd >= 1 && floor(var.monthly_budget_usd) == var.monthly_budget_usd, false)
    error_message = "A budget is a whole number of dollars from 1 on."
  }

  validation {
    condition     = var.monthly_budget_usd == null || var.billing_account != null
    error_message = "A budget needs billing_account."
  }
}
