"""Metrics, floors, statistics and comparison: item by item."""
