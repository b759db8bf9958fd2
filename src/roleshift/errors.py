"""The one exception type for everything that a user can cause and can mend."""


class RoleShiftError(Exception):
    """An expected failure. Its text is one line: what is wrong, where, and what to do."""
