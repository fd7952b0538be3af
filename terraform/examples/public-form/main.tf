# A public form on a site of your own. Requests arrive through a load balancer alone: the run.app URL is closed, so
# no caller can bypass the rate limit, or invent the client address that form_per_minute counts.

locals {
  name = "wireflow-images"
}

module "images" {
  source    = "../../modules/images"
  providers = { google = google, google.counted = google.counted }

  project_id = var.project_id
  region     = var.region
  name       = local.name
  webhook_id = var.webhook_id
  api_key    = var.api_key

  public           = true
  form_origins     = var.form_origins
  daily_executions = var.daily_executions

  ingress         = "internal-and-load-balancing"
  public_url      = "https://${var.domain}"
  trusted_proxies = 1 # the load balancer: it appends the client's address and its own

  notification_emails = var.notification_emails
}
