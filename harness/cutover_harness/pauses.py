"""Shorter pauses of the garbage collector while many live objects are young."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

_COLLECT_AFTER = 100_000, 50, 100


@contextlib.contextmanager
def few_collections() -> Iterator[None]:
    """Exclude existing objects from garbage collection, and collect less often, until the block ends.

    Records in flight are many young objects that are no garbage; with the default thresholds the collector examines
    all of them repeatedly.
    """
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
