"""Serving: a registered version answers requests."""
