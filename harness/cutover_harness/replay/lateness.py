"""How late records were sent, in constant memory."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from cutover_harness.files import write_atomic
from cutover_harness.ledger.columns import Int64

BUCKET_NS = 100_000
_BUCKETS = 100_000


class Lateness:
    """A histogram of 0.1 ms buckets up to 10 s, so percentiles are exact to 0.1 ms."""

    def __init__(self) -> None:
        self._counts: Int64 = np.zeros(_BUCKETS, np.int64)
        self._max = 0

    def add(self, late_ns: Int64) -> None:
        """Count records; early ones count as on time."""
        self._max = max(self._max, int(late_ns.max()))
        np.add.at(self._counts, np.clip(late_ns // BUCKET_NS, 0, _BUCKETS - 1), 1)

    def percentile_ms(self, share: float) -> float:
        """Return the upper edge (ms) of the bucket that holds the `share` (0 to 1) of all records; 0 without any."""
        total = int(self._counts.sum())
        if not total:
            return 0.0
        bucket = int(np.argmax((np.cumsum(self._counts) >= share * total) & (self._counts > 0)))
        return (bucket + 1) * BUCKET_NS / 1e6

    def write(self, file: Path, **counts: float | None) -> None:
        """Write the figures, and `counts` with them, as JSON."""
        figures = {
            "late_ms": {
                "p50": self.percentile_ms(0.5),
                "p99": self.percentile_ms(0.99),
                "max": round(self._max / 1e6, 3),
            },
            **counts,
        }
        write_atomic(file, json.dumps(figures, indent=1))
