# What differs between environments; see environments/. The module validates the values.

variable "environment" {
  description = "Name of the environment, used as a label."
  type        = string
}

variable "project_id" {
  description = "Google Cloud project of the environment."
  type        = string
}

variable "region" {
  description = "Region of everything, also of kms_key and docker_repository."
  type        = string
}

variable "name" {
  description = "Prefix of the names of all resources."
  type        = string
  default     = "wireflow-images"
}

variable "labels" {
  description = "Labels of every resource, beside environment."
  type        = map(string)
}

variable "secret_ids" {
  description = "Secrets of the platform's vault, by the name of their variable; webhook_id and api_key are required."
  type        = map(string)
}

variable "notification_channels" {
  description = "Notification channels of the team on call."
  type        = list(string)
}

variable "kms_key" {
  description = "Key that encrypts buckets, database, and topics. The service agents must be allowed to use it."
  type        = string
}

variable "docker_repository" {
  description = "Artifact Registry repository for the container images of the builds."
  type        = string
}

variable "service_accounts" {
  description = "Email addresses of the accounts for build, trigger, poller, and scheduler."
  type        = map(string)
}

variable "database_name" {
  description = "Firestore database for the jobs."
  type        = string
  default     = "wireflow-images"
}

variable "delete_protection" {
  description = "Whether the database and the images are protected from a destroy."
  type        = bool
  default     = true
}

variable "point_in_time_recovery" {
  description = "Whether the database can be restored to any minute of the last seven days."
  type        = bool
}

variable "backup_retention_days" {
  description = "Days that daily backups are kept; null: no backups."
  type        = number
}

variable "invokers" {
  description = "IAM members that may call the trigger."
  type        = list(string)
}

variable "min_instances" {
  description = "Instances of the trigger that are kept warm."
  type        = number
}

variable "daily_executions" {
  description = "Maximum executions per day: caps what a day can cost."
  type        = number
}
