variable "project_id" {
  description = "Google Cloud project to deploy into."
  type        = string
}

variable "region" {
  description = "Region of everything."
  type        = string
  default     = "us-central1"
}

variable "orders_topic" {
  description = "Name of the topic that Eventarc delivers from."
  type        = string
  default     = "orders"
}

variable "publishers" {
  description = "IAM members that may publish to both topics, such as serviceAccount:shop@my-project.iam.gserviceaccount.com."
  type        = list(string)
}

variable "daily_executions" {
  description = "Maximum executions per day: caps what a day can cost."
  type        = number
}

variable "notification_emails" {
  description = "Email addresses that receive alerts, among them the one on dead letters."
  type        = list(string)
  default     = []
}

variable "webhook_id" {
  description = "Wireflow webhook id: TF_VAR_webhook_id."
  type        = string
  ephemeral   = true
  sensitive   = true
}

variable "api_key" {
  description = "Wireflow API key: TF_VAR_api_key."
  type        = string
  ephemeral   = true
  sensitive   = true
}
