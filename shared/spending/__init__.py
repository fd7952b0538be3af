"""Decisions about money and pace: pure functions of a state and a time."""
