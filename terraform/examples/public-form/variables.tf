variable "project_id" {
  description = "Google Cloud project to deploy into."
  type        = string
}

variable "region" {
  description = "Region of the functions, the bucket, and the database. The load balancer is global."
  type        = string
  default     = "us-central1"
}

variable "domain" {
  description = "Domain of the trigger, such as images.example.com. Its A record must have the address of the output."
  type        = string
}

variable "form_origins" {
  description = "Origins whose pages may submit jobs, such as https://example.com."
  type        = list(string)
}

variable "daily_executions" {
  description = "Maximum executions per day: caps what a day can cost."
  type        = number
}

variable "requests_per_minute" {
  description = "Maximum requests per minute from one client address, images and polling included."
  type        = number
  default     = 120
}

variable "waf_preview" {
  description = "Whether the WAF rules only log what they would deny."
  type        = bool
  default     = false
}

variable "notification_emails" {
  description = "Email addresses that receive alerts."
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
