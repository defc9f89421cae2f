"""Who holds the lease of a plan's documents, for those who watch."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Literal

from cutover_harness.channels.leases import Lease, LeaseStore
from cutover_harness.conductor.leasing import stores_of
from cutover_harness.cutover.folder import RunFolder
from cutover_harness.cutover.settings import config_of
from cutover_harness.errors import UsageError
from cutover_harness.planning.read import ReadPlan
from cutover_harness.watching.views import LeaseView


class LeaseReader:
    """Reads the lease where it is decided. Only reads. For one thread."""

    def __init__(self, plan: ReadPlan, run: RunFolder) -> None:
        self._plan, self._run = plan, run
        self._stores: Sequence[LeaseStore] | None = None

    def read(self) -> LeaseView | None:
        """Return the lease, also one that cannot be read now; None if there is none."""
        try:
            config = config_of(self._plan, self._plan.plan.batches[0], self._run, {})
        except UsageError:
            return None  # the plan is not complete yet: nothing was run
        try:
            if self._stores is None:
                self._stores = stores_of(config)
            found = view(self._stores[0].read(), time.time())
        except UsageError as why:
            return LeaseView("unknown", str(why))
        store = self._stores[0]
        if found is None and store.hidden:
            return LeaseView("unknown", f"{store.name}: the last record of the lease is none, and may hide one")
        return found

    def close(self) -> None:
        """Close the clients."""
        for store in self._stores or ():
            store.close()
        self._stores = None


def view(lease: Lease | None, now: float) -> LeaseView | None:
    """Return what is shown of a lease at the time `now`; nothing of one that has ended."""
    if lease is None or lease.ended:
        return None
    its = lease.holder
    state: Literal["held", "expired"] = "held" if now < lease.until else "expired"
    return LeaseView(state, lease.words, its.who, its.pid, its.command, its.batch, its.folder, lease.since, lease.until)
