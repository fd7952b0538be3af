terraform {
  required_version = ">= 1.11"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 7.46, < 9"
    }

    # Only the module uses this one. `terraform test` mocks a provider only if the root declares it.
    # tflint-ignore: terraform_unused_required_providers
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

provider "google" {
  project = var.project_id
  region  = var.region
}

# Firebase Rules and budgets reject user credentials unless the request names a quota project.
provider "google" {
  alias                 = "counted"
  project               = var.project_id
  billing_project       = var.project_id
  user_project_override = true
}
