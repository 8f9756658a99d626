"""Alerts: creating, approving, holding, pausing and stopping them."""
