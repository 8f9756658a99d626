"""Alerts as mail and chat messages."""
