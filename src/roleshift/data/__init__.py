"""Bringing, cleaning and splitting corpora."""
