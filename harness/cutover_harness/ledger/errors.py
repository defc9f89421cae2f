"""The error of a ledger that cannot be used."""

from cutover_harness.errors import UsageError


class LedgerError(UsageError):
    """A ledger that is truncated, foreign, of another version or empty."""
