"""Bundled data that people edit."""
