"""RoleShift: from fine-tuning to the work that a model version can take on, by measured evidence."""

__version__ = "0.1.0"
