"""The vendor: its wire format, its errors and the client that moves the bytes."""
