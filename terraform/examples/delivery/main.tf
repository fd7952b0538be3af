# What has to exist before a pipeline can deploy: the bucket of the state, and two identities without keys. The planner
# runs the code of pull requests and can only read; the deployer runs what was merged.

locals {
  accounts = { planner = "Plans ${var.name} for pull requests", deployer = "Deploys ${var.name}" }
  sources  = "projects/_/buckets/${var.project_id}-${var.name}-sources"

  logs = var.cloud_build ? keys(local.accounts) : []
}

resource "google_project_service" "api" {
  for_each = toset(["cloudresourcemanager", "iam", "iamcredentials", "serviceusage", "storage", "sts"])

  service            = "${each.key}.googleapis.com"
  disable_on_destroy = false
}

resource "google_storage_bucket" "state" {
  #checkov:skip=CKV_GCP_62: only the two accounts read it; audit logs show every other access
  name                        = "${var.project_id}-terraform-state"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = false

  # A damaged state is restored from an older version.
  versioning {
    enabled = true
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      num_newer_versions = 50
      with_state         = "ARCHIVED"
    }
  }

  depends_on = [google_project_service.api]
}

# The planner reads the state and takes no lock (plan -lock=false).
resource "google_storage_bucket_iam_member" "state" {
  for_each = { planner = "roles/storage.objectViewer", deployer = "roles/storage.objectUser" }

  bucket = google_storage_bucket.state.name
  role   = each.value
  member = google_service_account.pipeline[each.key].member
}

resource "google_service_account" "pipeline" {
  for_each = local.accounts

  account_id   = "${var.name}-${each.key}"
  display_name = each.value

  depends_on = [google_project_service.api]
}

resource "google_project_iam_member" "deployer" {
  #checkov:skip=CKV_GCP_41: it must act as the accounts of the functions and of the schedule, which it creates
  #checkov:skip=CKV_GCP_49: it creates the accounts, and grants the trigger the right to sign with its own
  for_each = local.deployer_roles

  project = var.project_id
  role    = each.key
  member  = google_service_account.pipeline["deployer"].member
}

# https://cloud.google.com/iam/docs/setting-limits-on-granting-roles
resource "google_project_iam_member" "deployer_grants" {
  project = var.project_id
  role    = "roles/resourcemanager.projectIamAdmin"
  member  = google_service_account.pipeline["deployer"].member

  condition {
    title = "roles of the module only"
    expression = format(
      "api.getAttribute('iam.googleapis.com/modifiedGrantsByRole', []).hasOnly([%s])",
      join(", ", [for role in local.granted_roles : "'${role}'"])
    )
  }
}

# Not roles/viewer: it can read the jobs, and the images.
resource "google_project_iam_custom_role" "planner" {
  role_id     = "${replace(var.name, "-", "_")}_planner"
  title       = "Plans ${var.name}"
  description = "Reads the configuration of what is deployed, and neither jobs nor images nor secrets."
  permissions = local.planner_permissions

  depends_on = [google_project_service.api]
}

resource "google_project_iam_member" "planner" {
  project = var.project_id
  role    = google_project_iam_custom_role.planner.id
  member  = google_service_account.pipeline["planner"].member
}

resource "google_project_iam_member" "planner_packages" {
  project = var.project_id
  role    = "roles/storage.objectViewer"
  member  = google_service_account.pipeline["planner"].member

  condition {
    title      = "packages only"
    expression = "resource.name.startsWith(\"${local.sources}/\")"
  }
}

resource "google_project_iam_member" "logs" {
  for_each = toset(local.logs)

  project = var.project_id
  role    = "roles/logging.logWriter"
  member  = google_service_account.pipeline[each.key].member
}

# GitHub's token of a job is exchanged for an access token: no key exists that could leak.
# https://cloud.google.com/iam/docs/workload-identity-federation-with-deployment-pipelines
resource "google_iam_workload_identity_pool" "github" {
  workload_identity_pool_id = "${var.name}-github"
  display_name              = "GitHub"

  depends_on = [google_project_service.api]
}

resource "google_iam_workload_identity_pool_provider" "github" {
  #checkov:skip=CKV_GCP_125: the condition is on the repository, and each account names the subjects that may use it
  workload_identity_pool_id          = google_iam_workload_identity_pool.github.workload_identity_pool_id
  workload_identity_pool_provider_id = "github"
  attribute_condition                = "assertion.repository == '${var.repository}'"

  attribute_mapping = {
    "google.subject"       = "assertion.sub"
    "attribute.repository" = "assertion.repository"
  }

  oidc {
    issuer_uri = "https://token.actions.githubusercontent.com"
  }
}

# Any job of the repository may plan; a job of the environment may deploy, which GitHub starts for its branches and after
# its reviews.
resource "google_service_account_iam_member" "github" {
  for_each = {
    planner  = "principalSet://iam.googleapis.com/${google_iam_workload_identity_pool.github.name}/attribute.repository/${var.repository}"
    deployer = "principal://iam.googleapis.com/${google_iam_workload_identity_pool.github.name}/subject/repo:${var.repository}:environment:${var.environment}"
  }

  service_account_id = google_service_account.pipeline[each.key].name
  role               = "roles/iam.workloadIdentityUser"
  member             = each.value
}
