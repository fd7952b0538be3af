variable "project_id" {
  description = "Google Cloud project to deploy into."
  type        = string
}

variable "region" {
  description = "Region of everything."
  type        = string
  default     = "us-central1"
}

variable "invokers" {
  description = "IAM members that may call the trigger, such as user:ada@example.com."
  type        = list(string)
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
