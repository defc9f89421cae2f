"""Errors that a person can act on."""


class UsageError(Exception):
    """A mistake in the input or an environment that is not fit: one line that says what was found and what to do.

    The command line prints the message alone and exits with 2; everything else that is raised is a defect.
    """


class FinalError(UsageError):
    """An error that no waiting and no retry heals: it ends whatever waits for a cluster to come back."""
