"""Errors that a person can act on."""

from confluent_kafka import KafkaException


class UsageError(Exception):
    """A mistake in the input or an environment that is not fit: one line that says what was found and what to do.

    The command line prints the message alone and exits with 2; everything else that is raised is a defect.
    """


class FinalError(UsageError):
    """An error that no waiting and no retry heals: it ends whatever waits for a cluster to come back."""


def refusal(error: BaseException) -> str | None:
    """Return what to say of a cluster, disk or network that refused; None if `error` is something else."""
    if isinstance(error, KafkaException):
        first = error.args[0] if error.args else error
        return f"a cluster refused or did not answer: {first.str() if hasattr(first, 'str') else first}"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror
    return None
