"""Lag, completeness and health of a mirror, from the compared logs, Connect's states and its stored offsets."""

from __future__ import annotations

import time
from collections.abc import Callable, Sized
from dataclasses import dataclass, field, replace

from cutover_harness.mirror import conclusions, health
from cutover_harness.mirror.connect_rest import Connect
from cutover_harness.mirror.errors import MirrorError
from cutover_harness.mirror.health import Stall
from cutover_harness.mirror.lag import Lag, LagEstimator
from cutover_harness.mirror.log_comparer import LogComparer

# How long a look at the lag may compare; the rest is left to later looks, or to the background.
_LOOK_S = 0.3
_ASK_EVERY_S = 0.5
_STALLED_AFTER_S = 5.0


@dataclass
class Assessment:
    """Assesses one mirror.

    `copying` and `translating` are the names of its connectors; `connect` does not repeat requests. `stall_s`: seconds
    without a copied record, although records wait, until a mirror that is RUNNING counts as broken. `reason` returns
    the last warning or error in its workers' logs.
    """

    estimator: LagEstimator
    comparer: LogComparer
    connect: Connect
    copying: str
    translating: str | None
    stall_s: float
    reason: Callable[[], str | None]
    _stall: Stall = field(default_factory=Stall)
    _asked: float | None = None
    _failed: str | None = None
    _hole: str | None = None
    """What the last look at everything found that waiting does not heal."""

    def lag(self) -> Lag:
        """Return the lag by the last records, plus the records that are known to be missing before them."""
        lag = self.estimator.lag()
        if not self.estimator.target_answered:
            return lag
        try:
            self.comparer.step(_LOOK_S)
        except MirrorError:
            return replace(lag, not_compared=sum(last + 1 for last in lag.mirrored.values()))
        gaps = self.estimator.gaps(look=False)
        missing = self.comparer.read(lambda pairs, _absent: conclusions.missing(pairs, lag.mirrored, gaps))
        records = {p: count + missing.get(p, 0) for p, count in lag.records.items()}
        left = self.comparer.read(lambda pairs, _absent: conclusions.not_compared(pairs, lag.mirrored))
        return replace(lag, records=records, not_compared=left, amid=sum(missing.values()))

    def drained(self) -> tuple[bool, str]:
        """Return whether the target has every committed source record, with the evidence or with what is missing.

        Every partition is compared up to the source's end; the end is read again and has not moved; the connector and
        all its tasks are RUNNING. Connect's stored offset counts only if equal records make the last one ambiguous: it
        stays before a record that failed, but it may be `offset.flush.interval.ms` late for one that did not.
        """
        try:
            gaps = self.estimator.gaps(look=True)
            self.comparer.step()
            stored = self.estimator.stored
            found = self.comparer.read(
                lambda pairs, absent: conclusions.conclude(pairs, absent, stored=stored, gaps=gaps)
            )
            ends = self.estimator.ends()
            running = self._running()
        except MirrorError as error:
            return False, str(error)
        self._hole = "; ".join(found.broken) or None
        if found.broken or running or found.waits:
            return False, "; ".join([*found.broken, *running, *found.waits[:3]]) + _more(found.waits[3:])
        if moved := sorted(p for p, end in ends.items() if found.ends.get(p) != end):
            return False, f"records still arrive on the source in {moved[0][0]}-{moved[0][1]}" + _more(moved[1:])
        return True, f"{found.summary}; source ends did not move; {self.copying} is running"

    def broken(self) -> str | None:
        """Return what waiting does not heal, None if there is nothing: FAILED, missing records, no progress.

        A Connect or connector that does not answer, is restarting or does not exist is not broken.
        """
        now = time.monotonic()
        if self._asked is None or now - self._asked >= _ASK_EVERY_S:
            self._failed, running = self._ask()
            self._asked = time.monotonic()
            self._note_progress(running=running)
        stalled = self.stalled() if self._stall.seconds >= self.stall_s else None
        return "; ".join(filter(None, [self._failed, self._holes() or self._hole, stalled])) or None

    def stalled(self) -> str | None:
        """Return that nothing has been copied for some seconds, and why if that is known."""
        if self._stall.seconds < _STALLED_AFTER_S:
            return None
        said = self.reason()
        says = f"; its worker's log: {said}" if said else "; the reason is in the logs of Connect's workers"
        return f"{self.copying} is RUNNING and has copied nothing for {self._stall.seconds:.0f} s{says}"

    def _ask(self) -> tuple[str | None, bool]:
        """Return what FAILED, and whether the copying connector runs."""
        try:
            found = health.states(self.connect, [name for name in (self.copying, self.translating) if name])
        except MirrorError:
            return None, False
        return "; ".join(health.failed(found)) or None, not health.waits(
            {self.copying: found[self.copying]}, [self.copying]
        )

    def _holes(self) -> str | None:
        gaps = self.estimator.gaps(look=False)
        broken = self.comparer.read(lambda pairs, absent: conclusions.conclude(pairs, absent, gaps=gaps)).broken
        return "; ".join(broken) or None

    def _note_progress(self, *, running: bool) -> None:
        answers, looks = self.comparer.failure is None, self.comparer.looks
        waiting, at = self.comparer.read(
            lambda pairs, absent: (
                any(pair.waits_for_mirror for pair in pairs.values())
                or any(ends.source_end > ends.source_start for ends in absent.values()),
                [(pair.source_at, pair.target_at) for pair in pairs.values()],
            )
        )
        self._stall.note(running=running and answers, waiting=waiting, progress=at, looks=looks)

    def _running(self) -> list[str]:
        found = health.states(self.connect, [self.copying])
        return health.waits(found, [self.copying] if self.estimator.topics() else [])


def _more(left: Sized) -> str:
    count = len(left)
    return f"; and {count} more" if count else ""
