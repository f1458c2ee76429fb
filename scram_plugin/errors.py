"""Errors that are shown to the user."""


class BadOption(ValueError):
    """A request that cannot be fulfilled; the text is a sentence for the user. Exit status 2 on the command line."""
