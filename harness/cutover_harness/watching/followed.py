"""One batch whose journal is followed: entries are read once, as they are written."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace

from cutover_harness.conductor.config import CONFIG, JOURNAL, ConductorConfig
from cutover_harness.conductor.journal import Entry, Journal
from cutover_harness.cutover.batches import added_since
from cutover_harness.cutover.folder import RunFolder
from cutover_harness.cutover.progress import BatchProgress, batch_progress, not_begun
from cutover_harness.planning.model import PlannedBatch
from cutover_harness.watching.cluster_figures import ClusterFigures
from cutover_harness.watching.facts import Figures, Statuses
from cutover_harness.watching.history import compacted, lag_history

_MOST_LAGS = 3600


@dataclass
class FollowedBatch:
    """What is known of one batch. The lock of the watcher guards all fields but `reader`."""

    planned: PlannedBatch
    run: RunFolder
    config: ConductorConfig | None = None
    entries: list[Entry] = field(default_factory=list)
    generation: int = 0
    statuses: Statuses = field(default_factory=Statuses)
    figures: Figures = field(default_factory=Figures)
    lags: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=_MOST_LAGS))
    # Of the thread that reads clusters.
    reader: ClusterFigures | None = None
    _last_id: int = 0
    _file: tuple[int, int] | None = None

    def progress(self) -> BatchProgress:
        """Read what is new in the journal, and return where the batch is. Raises UsageError."""
        name = self.planned.name
        folder = self.run.batch(name)
        if not self.run.begun(name):
            self._begin(None)
            return not_begun(name)
        stat = (folder / CONFIG).stat()
        self._begin((stat.st_ino, stat.st_mtime_ns))
        if self.config is None:
            self.config = ConductorConfig.load(folder / CONFIG)
        if (folder / JOURNAL).exists():
            journal = Journal(folder / JOURNAL)
            try:
                new = journal.read(self._last_id)
            finally:
                journal.close()
            if new:
                self._last_id = new[-1].id
                self.lags.extend(lag_history(new))
                self.entries = compacted([*self.entries, *new])
        found = batch_progress(name, self.entries, self.config)
        if found.progress != "completed":
            return found
        added = added_since(self.planned, self.config)
        return replace(found, added=added.names, advice=added.advice)

    def _begin(self, file: tuple[int, int] | None) -> None:
        """Forget everything if this is another journal than before: the batch is moved again."""
        if self._file == file:
            return
        self._file, self.config, self.entries, self._last_id = file, None, [], 0
        self.statuses, self.figures = Statuses(), Figures()
        self.lags.clear()
