"""The one exception that speaks to users."""


class D3keError(Exception):
    """Something a user can mend. Its message is one line: what, where, what to do."""
