# A private trigger with the defaults: invokers call it with their Google identity.

module "images" {
  source    = "../../modules/images"
  providers = { google = google, google.counted = google.counted }

  project_id = var.project_id
  region     = var.region
  invokers   = var.invokers
  webhook_id = var.webhook_id
  api_key    = var.api_key
}
