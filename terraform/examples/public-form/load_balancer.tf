# A global external Application Load Balancer in front of the trigger.
# https://cloud.google.com/load-balancing/docs/https/setup-global-ext-https-serverless

resource "google_project_service" "compute" {
  service            = "compute.googleapis.com"
  disable_on_destroy = false
}

resource "time_sleep" "compute" {
  create_duration = "60s"

  depends_on = [google_project_service.compute]
}

resource "google_compute_global_address" "site" {
  name = local.name

  depends_on = [time_sleep.compute]
}

# A function is a Cloud Run service of the same name.
resource "google_compute_region_network_endpoint_group" "trigger" {
  name                  = local.name
  region                = var.region
  network_endpoint_type = "SERVERLESS"

  cloud_run {
    service = "${local.name}-trigger"
  }

  depends_on = [module.images, time_sleep.compute]
}

resource "google_compute_backend_service" "trigger" {
  name                  = local.name
  load_balancing_scheme = "EXTERNAL_MANAGED"
  protocol              = "HTTPS"
  security_policy       = google_compute_security_policy.site.id

  backend {
    group = google_compute_region_network_endpoint_group.trigger.id
  }

  log_config {
    enable      = true
    sample_rate = 1
  }
}

# Google issues it once the domain's A record has the address, which takes up to an hour. Another domain is another
# certificate, which replaces this one when it exists.
resource "google_compute_managed_ssl_certificate" "site" {
  name = "${local.name}-${substr(sha256(var.domain), 0, 8)}"

  managed {
    domains = [var.domain]
  }

  depends_on = [time_sleep.compute]

  lifecycle {
    create_before_destroy = true
  }
}

resource "google_compute_url_map" "site" {
  name            = local.name
  default_service = google_compute_backend_service.trigger.id
}

resource "google_compute_target_https_proxy" "site" {
  name             = local.name
  url_map          = google_compute_url_map.site.id
  ssl_certificates = [google_compute_managed_ssl_certificate.site.id]
}

resource "google_compute_global_forwarding_rule" "site" {
  name                  = local.name
  load_balancing_scheme = "EXTERNAL_MANAGED"
  ip_address            = google_compute_global_address.site.id
  port_range            = "443"
  target                = google_compute_target_https_proxy.site.id
}
