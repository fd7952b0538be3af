variable "project_id" {
  description = "Google Cloud project that is deployed into. It also holds the state and the identities."
  type        = string
}

variable "region" {
  description = "Region of the state bucket."
  type        = string
}

variable "name" {
  description = "The variable name of the deployment."
  type        = string
  default     = "wireflow-images"
}

variable "repository" {
  description = "Repository on GitHub whose workflows deploy, as OWNER/REPOSITORY."
  type        = string

  validation {
    condition     = can(regex("^[\\w.-]+/[\\w.-]+$", var.repository))
    error_message = "repository must look like OWNER/REPOSITORY."
  }
}

variable "environment" {
  description = "Environment of that repository whose jobs may apply. Restrict it to the branch main and to reviewers."
  type        = string
  default     = "production"
}

variable "load_balancer" {
  description = "Whether the deployment has the load balancer of the example public-form."
  type        = bool
  default     = false
}

variable "cloud_build" {
  description = "Whether Cloud Build runs the deployment, instead of GitHub Actions; its accounts then write logs."
  type        = bool
  default     = false
}
