# --- required ----------------------------------------------------------------------------------------------------

variable "project_id" {
  description = "Google Cloud project to deploy into. It must exist and have a billing account."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "project_id must be an id, not a name or number: 6 to 30 lowercase letters, digits, and hyphens that begin with a letter."
  }
}

# --- location and names ------------------------------------------------------------------------------------------

variable "region" {
  description = "Region of the functions, buckets, and schedule, and of the database unless database_location is set."
  type        = string
  default     = "us-central1"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+(-[a-z]+)+[0-9]+$", var.region))
    error_message = "region must look like us-central1: neither a zone nor a multi-region."
  }
}

variable "name" {
  description = "Prefix of the names of all resources."
  type        = string
  default     = "wireflow-images"
  nullable    = false

  validation {
    # The longest account id, NAME-scheduler, may have 30 characters. Cloud Run replaces underscores with hyphens.
    condition     = can(regex("^[a-z][a-z0-9-]{1,18}[a-z0-9]$", var.name))
    error_message = "name must have 3 to 20 lowercase letters, digits, and hyphens, begin with a letter, and not end in a hyphen."
  }
}

# --- network -----------------------------------------------------------------------------------------------------

variable "ingress" {
  description = "Networks that the trigger accepts requests from: all, internal, or internal-and-load-balancing (an external load balancer in front)."
  type        = string
  default     = "all"
  nullable    = false

  validation {
    condition     = contains(["all", "internal", "internal-and-load-balancing"], var.ingress)
    error_message = "ingress must be all, internal, or internal-and-load-balancing."
  }

  validation {
    condition     = var.ingress == "all" || var.public_url != null
    error_message = "With ingress other than all the run.app URL is closed to callers: public_url must name the URL that they use."
  }
}

# --- authentication ----------------------------------------------------------------------------------------------

variable "public" {
  description = "Whether the trigger accepts callers without a Google identity: anyone with a credential that the function checks can spend credits."
  type        = bool
  default     = false
  nullable    = false

  validation {
    # The function would refuse to start: see shared/config.py.
    condition = !var.public || anytrue([
      length(setintersection(concat(var.secrets, keys(var.secret_ids)), ["trigger_tokens", "trigger_signing_secrets"])) > 0,
      var.form_origins != null,
      var.event_service_account != null,
      var.pubsub_push,
      var.eventarc,
    ])
    error_message = join(" ", [
      "Without authentication anyone could spend credits: a public trigger requires trigger_tokens or trigger_signing_secrets",
      "(named in secrets or secret_ids), form_origins, event_service_account, pubsub_push, or eventarc."
    ])
  }
}

variable "invokers" {
  description = "IAM members that may call the trigger: \"user:…\", \"group:…\", \"serviceAccount:…\", \"domain:…\", \"principal://…\", \"principalSet://…\"."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for member in var.invokers : can(regex("^((user|group|serviceAccount|domain):|principal(Set)?://)[^\\s]+$", member))])
    error_message = "Each entry of invokers must be an IAM member with its type, such as user:ada@example.com. To allow everyone, set public = true."
  }
}

variable "restrict_build_account" {
  description = "Whether the build account reads only the two buckets of the packages. Set false if builds fail with denied on storage."
  type        = bool
  default     = true
  nullable    = false
}

# --- events ------------------------------------------------------------------------------------------------------

variable "pubsub_push" {
  description = "Whether to create a topic whose messages become jobs, with a dead-letter topic for undeliverable ones."
  type        = bool
  default     = false
  nullable    = false
}

variable "eventarc" {
  description = "Whether to create an Eventarc trigger: the messages of a topic become jobs."
  type        = bool
  default     = false
  nullable    = false
}

variable "eventarc_topic" {
  description = "Topic that Eventarc delivers from, as projects/PROJECT/topics/TOPIC. Default: a new topic is created."
  type        = string
  default     = null

  validation {
    condition     = var.eventarc_topic == null || can(regex("^projects/[^/\\s]+/topics/[^/\\s]+$", var.eventarc_topic))
    error_message = "eventarc_topic must look like projects/PROJECT/topics/TOPIC."
  }

  validation {
    condition     = var.eventarc_topic == null || var.eventarc
    error_message = "eventarc_topic requires eventarc = true."
  }

  validation {
    condition     = !(var.eventarc && var.pubsub_push && var.eventarc_topic == null)
    error_message = "pubsub_push already delivers the new topic; name another topic in eventarc_topic."
  }
}

# --- instances of the trigger ------------------------------------------------------------------------------------

variable "min_instances" {
  description = "Instances of the trigger that are kept warm, about $10 a month each. With 0 the first request has a cold start of about a second."
  type        = number
  default     = 0
  nullable    = false
}

variable "max_instances" {
  description = "Maximum instances of the trigger; each handles 12 concurrent requests."
  type        = number
  default     = 10
  nullable    = false
}

# --- database ----------------------------------------------------------------------------------------------------

variable "create_database" {
  description = "Whether to create the database. false: use the existing database_name, which keeps its rules, with collections jobs, hooks, and control."
  type        = bool
  default     = true
  nullable    = false
}

variable "database_name" {
  description = "Firestore database for the jobs. Only one database per project has a free tier."
  type        = string
  default     = "(default)"
  nullable    = false

  validation {
    condition     = var.database_name == "(default)" || can(regex("^[a-z][a-z0-9-]{2,61}[a-z0-9]$", var.database_name))
    error_message = "database_name must be \"(default)\", or 4 to 63 lowercase letters, digits, and hyphens, the first a letter, the last no hyphen."
  }
}

variable "database_location" {
  description = "Location of the database, such as nam5 or eur3. Default: region. It cannot be changed later."
  type        = string
  default     = null

  validation {
    condition     = var.database_location == null || can(regex("^[a-z][a-z0-9-]*[0-9]+$", var.database_location))
    error_message = "database_location must be a Firestore location, such as us-central1, nam5, or eur3."
  }
}

variable "delete_protection" {
  description = "Whether the database and the images are protected from a destroy. To delete everything, apply with false first."
  type        = bool
  default     = true
  nullable    = false
}

variable "point_in_time_recovery" {
  description = "Whether the database can be restored to any minute of the last seven days. Stored versions are billed."
  type        = bool
  default     = false
  nullable    = false
}

variable "backup_retention_days" {
  description = "Days that daily backups of the database are kept. Default: no backups. Backups are billed and outlive the database."
  type        = number
  default     = null
}

# --- images ------------------------------------------------------------------------------------------------------

variable "image_retention_days" {
  description = "Days after which an image is deleted. Default: never."
  type        = number
  default     = null
}

variable "cors_origins" {
  description = "Origins whose scripts may read images from the bucket, such as https://example.com. A plain img element does not need this."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for origin in var.cors_origins : can(regex("^https?://[^/*\\s]+$", origin))])
    error_message = "Each entry of cors_origins must be scheme://host[:port], without a path or wildcard."
  }
}

# --- monitoring --------------------------------------------------------------------------------------------------

variable "notification_emails" {
  description = "Email addresses that receive alerts and budget notifications."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for address in var.notification_emails : can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", address))])
    error_message = "Each entry of notification_emails must be an email address."
  }
}

variable "runbook_url" {
  description = "URL of terraform/README.md where your team reads it; each alert links to its section."
  type        = string
  default     = "terraform/README.md"
  nullable    = false

  validation {
    condition     = can(regex("^[^\\s#]+$", var.runbook_url))
    error_message = "runbook_url must be a URL without fragment."
  }
}

variable "billing_account" {
  description = "Billing account of the budget, such as 012345-6789AB-CDEF01. Only needed with monthly_budget_usd."
  type        = string
  default     = null

  validation {
    condition     = var.billing_account == null || can(regex("^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$", var.billing_account))
    error_message = "billing_account must look like 012345-6789AB-CDEF01."
  }
}

variable "monthly_budget_usd" {
  description = "Monthly Google Cloud budget in whole US dollars, which the billing account must use. Notifies at 50, 90, and 100%. Default: none."
  type        = number
  default     = null

  validation {
    condition     = var.monthly_budget_usd == null || var.billing_account != null
    error_message = "monthly_budget_usd requires billing_account."
  }
}
