output "address" {
  description = "Value of the domain's A record."
  value       = google_compute_global_address.site.address
}

output "url" {
  description = "URL that forms post to."
  value       = "https://${var.domain}"
}
