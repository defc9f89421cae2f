"""Reads what a snapshot needs: journals at each look, statuses and clusters in threads of their own.

Nothing here is asked by the conductor, which is another process: it never waits for a reader.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from cutover_harness.cli.fleet_freshness import Freshness
from cutover_harness.conductor.config import ConductorConfig
from cutover_harness.conductor.journal import Entry
from cutover_harness.conductor.statuses import StatusSource
from cutover_harness.cutover.folder import RunFolder
from cutover_harness.errors import UsageError, in_one_line
from cutover_harness.periodic import Periodic
from cutover_harness.planning.read import ReadPlan
from cutover_harness.watching.cluster_figures import ClusterFigures
from cutover_harness.watching.facts import BatchFacts, Statuses
from cutover_harness.watching.followed import FollowedBatch
from cutover_harness.watching.lease_reader import LeaseReader
from cutover_harness.watching.snapshot import batch_view
from cutover_harness.watching.views import BatchView, LeaseView, Snapshot

_STATUSES_EVERY_S = 1.0
_CLUSTERS_EVERY_S = 3.0
_FRESH_S = 0.5
_CLOSE_S = 2.0
_NOT_UNDERSTOOD = (OSError, KeyError, IndexError, TypeError, ValueError, AttributeError)


class Watcher:
    """Watches the batches of a plan. Entered as a context it reads statuses and clusters in the background."""

    def __init__(self, plan: ReadPlan, run: RunFolder) -> None:
        self._plan, self._run = plan, run
        self._lock = threading.Lock()
        self._batches = [FollowedBatch(planned, run) for planned in plan.plan.batches]
        self._last: Snapshot | None = None
        self._source: StatusSource | None = None
        self._freshness = Freshness()
        self._lease_reader = LeaseReader(plan, run)
        self._lease: LeaseView | None = None
        self._threads = [
            Periodic(lambda: self._again("statuses", self.read_statuses), _STATUSES_EVERY_S, "statuses"),
            Periodic(lambda: self._again("figures", self.read_clusters), _CLUSTERS_EVERY_S, "figures"),
        ]
        self._failures: dict[str, str] = {}
        """Why statuses or figures are not read at the moment."""

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.__enter__()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        # A thread that waits for a cluster ends with the process.
        if not [thread for thread in self._threads if not thread.stop_within(_CLOSE_S)]:
            self._close()

    def once(self) -> Snapshot:
        """Return a snapshot after one look at statuses and clusters."""
        self.snapshot()
        self.read_statuses()
        self.read_clusters()
        self._last = None
        self._close()
        return self.snapshot()

    def _close(self) -> None:
        for batch in self._batches:
            if batch.reader is not None:
                batch.reader.close()
        if self._source is not None:
            self._source.close()
            self._source = None
        self._lease_reader.close()

    def snapshot(self) -> Snapshot:
        """Return what is known now; reads journals, at most twice a second."""
        with self._lock:
            now = time.time()
            if self._last is None or not 0 <= now - self._last.at < _FRESH_S:
                self._last = self._look(now)
            return self._last

    def _look(self, now: float) -> Snapshot:
        views, problem = [], None
        for batch in self._batches:
            try:
                views.append(self._view(batch, now))
            except UsageError as why:
                problem = str(why)
            except _NOT_UNDERSTOOD as why:  # whoever watches never ends the run
                problem = f"batch {batch.planned.name}: its journal cannot be understood ({type(why).__name__}: {why})"
        problem = problem or "; ".join(self._failures.values()) or None
        return Snapshot(now, self._plan.plan.name, self._plan.digest, views, problem, self._lease)

    def _view(self, batch: FollowedBatch, now: float) -> BatchView:
        progress = batch.progress()
        command = f"kafka-cutover advance {self._plan.path} --batch {batch.planned.name}"
        facts = BatchFacts(
            progress,
            batch.entries,
            batch.config,
            batch.generation,
            batch.statuses,
            batch.figures,
            sorted(batch.lags),
            batch.planned.rollback_window_h,
            command,
        )
        return batch_view(facts, now)

    # -- in threads ----------------------------------------------------------------------------------------------------

    def _again(self, what: str, read: Callable[[], None]) -> None:
        try:
            read()
        except Exception as why:  # noqa: BLE001 - the thread tries again, and what is shown must not look new
            self._failures[what] = f"{what} are not read: {type(why).__name__}: {in_one_line(why)}"
        else:
            self._failures.pop(what, None)

    def read_statuses(self) -> None:
        """Read the statuses, which all batches have in one place."""
        with self._lock:
            configs = [batch.config for batch in self._batches if batch.config is not None]
        if not configs:
            return
        found, generation = self._statuses(configs[-1]), _generation(configs[-1])
        with self._lock:
            for batch in self._batches:
                batch.statuses = found
                batch.generation = batch.generation if generation is None else generation
            self._last = None

    def _statuses(self, config: ConductorConfig) -> Statuses:
        try:
            if self._source is None:
                self._source = config.open_statuses(config.peek(file_only=True).document(0))
            contents = self._source.read()
        except UsageError as why:
            return Statuses(problem=str(why))
        self._freshness.look(contents)
        return Statuses(contents, self._freshness.silent_s, self._source.problem)

    def read_clusters(self) -> None:
        """Read the lease, and the figures of the batches that have begun and are not finished."""
        lease = self._lease_reader.read()
        with self._lock:
            self._lease = lease
        for batch, config, entries in self._to_read():
            if batch.reader is None or batch.reader.config != config:
                if batch.reader is not None:
                    batch.reader.close()
                batch.reader = ClusterFigures(config)
            found = batch.reader.read(entries)
            with self._lock:
                batch.figures = found
                if found.lag is not None and not found.problems:
                    batch.lags.append((time.time(), found.lag))

    def _to_read(self) -> list[tuple[FollowedBatch, ConductorConfig, Sequence[Entry]]]:
        with self._lock:
            return [
                (batch, batch.config, list(batch.entries))
                for batch in self._batches
                if batch.config is not None and batch.entries and batch.entries[-1].kind != "end"
            ]


def _generation(config: ConductorConfig) -> int | None:
    try:
        return config.peek(file_only=True).generation
    except UsageError:
        return None
