"""Errors that a user can act on."""

import sys


class UsageError(Exception):
    """Invalid input or an unsuitable environment: one line with what was found and what to do.

    The command line prints only the message and exits with 2; any other exception is a defect.
    """


class UnavailableError(Exception):
    """A fault that this testbed, or the machine below it, cannot inject; the message contains the reason."""


class FinalError(UsageError):
    """An error that no retry resolves: it ends every wait for a cluster to return."""


class LeaseLostError(FinalError):
    """Somebody else has taken the lease over: nothing may be written any more."""


def in_one_line(error: BaseException) -> str:
    """Return the reason of an error in one line, in words that a user understands if it is a refusal."""
    return " ".join((refusal(error) or str(error)).split())


def refusal(error: BaseException) -> str | None:
    """Return the message for an error of a cluster, disk or network; None for any other error."""
    kafka = sys.modules.get("confluent_kafka")  # imported if one of its exceptions exists; the judge starts without it
    if kafka is not None and isinstance(error, kafka.KafkaException):
        first = error.args[0] if error.args else error
        return f"a cluster refused or did not answer: {first.str() if hasattr(first, 'str') else first}"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror
    return None
