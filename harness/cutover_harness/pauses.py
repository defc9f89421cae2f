"""The garbage collector's pauses, where many short-lived objects are no garbage."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

_COLLECT_AFTER = 100_000, 50, 100


@contextlib.contextmanager
def few_collections() -> Iterator[None]:
    """Have the garbage collector leave alone what is there, and look for garbage less often.

    Records in flight are many young objects and no garbage; with the usual thresholds it looks at all of them, again
    and again.
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
