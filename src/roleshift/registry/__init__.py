"""Runs and versions in MLflow."""
