terraform {
  # Ephemeral variables and write-only arguments (secrets that never reach the state) require 1.11.
  required_version = ">= 1.11"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 7.46, < 9"

      # Firebase Rules and budgets reject user credentials unless the request names a quota project: this configuration
      # sets billing_project and user_project_override.
      # https://registry.terraform.io/providers/hashicorp/google/latest/docs/guides/provider_reference#user_project_override
      configuration_aliases = [google.counted]
    }
    archive = {
      source  = "hashicorp/archive"
      version = "~> 2.7"
    }
    time = {
      source  = "hashicorp/time"
      version = "~> 0.13"
    }
  }
}
