"""Wireflow: its wire format, its errors, and the HTTP client."""
