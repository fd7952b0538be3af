"""Calls of the poller between those of the scheduler."""
