# Cloud Armor in front of the load balancer: rules of the lowest number first, and the first that matches decides.

locals {
  # Not sqli, xss, lfi, rce: a prompt is free text, and they would reject some. The trigger has no database language or
  # shell to inject into, and its pages escape what they show.
  # https://cloud.google.com/armor/docs/waf-rules
  waf_rules = ["scannerdetection-v33-stable", "protocolattack-v33-stable", "cve-canary"]
}

resource "google_compute_security_policy" "site" {
  #checkov:skip=CKV_GCP_73: cve-canary is among local.waf_rules, which the check does not evaluate
  name = local.name
  type = "CLOUD_ARMOR"

  dynamic "rule" {
    for_each = { for index, name in local.waf_rules : name => index }
    content {
      description = rule.key
      action      = "deny(403)"
      priority    = 100 + rule.value
      preview     = var.waf_preview

      match {
        expr {
          expression = "evaluatePreconfiguredWaf('${rule.key}', {'sensitivity': 1})"
        }
      }
    }
  }

  rule {
    description = "requests of one client address per minute"
    action      = "throttle"
    priority    = 1000

    match {
      versioned_expr = "SRC_IPS_V1"
      config {
        src_ip_ranges = ["*"]
      }
    }

    rate_limit_options {
      conform_action = "allow"
      exceed_action  = "deny(429)"
      enforce_on_key = "IP"

      rate_limit_threshold {
        count        = var.requests_per_minute
        interval_sec = 60
      }
    }
  }

  # Required by Cloud Armor. Nothing reaches it, because the rule above matches every address.
  rule {
    description = "default"
    action      = "deny(403)"
    priority    = 2147483647

    match {
      versioned_expr = "SRC_IPS_V1"
      config {
        src_ip_ranges = ["*"]
      }
    }
  }

  depends_on = [time_sleep.compute]
}
