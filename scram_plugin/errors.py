"""Errors that are for the user."""


class BadOption(ValueError):
    """Something asked for that cannot be done; the text is a sentence for the user. Exit status 2 on the command line."""
