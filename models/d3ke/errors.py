"""The exceptions that speak to users."""


class D3keError(Exception):
    """Something a user can mend. Its message is one line: what, where, what to do."""


class OptionError(D3keError):
    """A wish that no input could fulfil, such as a height of 175 m: the command was misused."""
