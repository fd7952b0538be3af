"""Notifications of final jobs: messages, and their delivery."""
