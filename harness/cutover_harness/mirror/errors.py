"""What may go wrong between the harness and a mirror."""

from cutover_harness.errors import UsageError


class MirrorError(UsageError):
    """Connect refused or failed what was asked of it, or a cluster does not answer; one line, free of secrets."""
