"""State of one pytest process: the seed of its session, and its rehearser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from cutover_harness.testing.rehearse import Rehearser

REHEARSER: pytest.StashKey[Rehearser] = pytest.StashKey()
SEED: pytest.StashKey[int] = pytest.StashKey()


def rehearser(config: pytest.Config) -> Rehearser:
    """Return the rehearser of this pytest process."""
    known = config.stash.get(REHEARSER, None)
    if known is None:
        # A project that rehearses nothing must not load the rehearsal's modules.
        from cutover_harness.testing.rehearse import Rehearser  # noqa: PLC0415

        known = config.stash[REHEARSER] = Rehearser.of(config, config.stash[SEED])
    return known
