"""The error of this package."""

from cutover_harness.errors import UsageError


class MirrorError(UsageError):
    """A request that Connect or a cluster refused, failed or did not answer: one line, without secrets."""
