"""Records without a delivery report yet: rows of a ledger, in reused slots."""

from __future__ import annotations

import numpy as np

from cutover_harness.ledger.columns import Array, Int64
from cutover_harness.ledger.format import ROW_DTYPE

_FIRST = 4096


class InFlight:
    """Rows in slots. Memory: 48 bytes for each of the most records ever in flight."""

    def __init__(self) -> None:
        self._rows: Array = np.empty(_FIRST, ROW_DTYPE)
        self._free: Int64 = np.arange(_FIRST)[::-1].copy()
        self._left = _FIRST  # number of free slots, at the beginning of `_free`

    def __len__(self) -> int:
        return len(self._rows) - self._left

    @property
    def slots(self) -> int:
        """Number of slots, used and free."""
        return len(self._rows)

    def put(self, rows: Array) -> list[int]:
        """Store rows; return the slot of each."""
        while len(rows) > self._left:
            self._grow()
        self._left -= len(rows)
        slots = self._free[self._left : self._left + len(rows)].copy()
        self._rows[slots] = rows
        out: list[int] = slots.tolist()
        return out

    def take(self, slots: list[int]) -> Array:
        """Return the rows in `slots`, and free them."""
        chosen = np.array(slots, np.int64)
        self._free[self._left : self._left + len(slots)] = chosen
        self._left += len(slots)
        return self._rows[chosen]

    def _grow(self) -> None:
        size = len(self._rows)
        self._rows = np.concatenate([self._rows, np.empty(size, ROW_DTYPE)])
        free = np.empty(2 * size, np.int64)
        free[: self._left] = self._free[: self._left]
        free[self._left : self._left + size] = np.arange(size, 2 * size)[::-1]
        self._free, self._left = free, self._left + size
