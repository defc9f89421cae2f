"""Evidence of how far a mirror is: the comparison of the logs, Connect's own word, and what it has stored."""

from __future__ import annotations

import time
from collections.abc import Callable, Sized
from dataclasses import dataclass, field, replace

from cutover_harness.mirror import evidence, health
from cutover_harness.mirror.connect_rest import Connect
from cutover_harness.mirror.errors import MirrorError
from cutover_harness.mirror.health import Stall
from cutover_harness.mirror.progress import Lag, Progress
from cutover_harness.mirror.walker import Walker

# How long a look at the lag may compare; the rest is left to later looks, or to the background.
_LOOK_S = 0.3
_ASK_EVERY_S = 0.5
_TELL_AFTER_S = 5.0


@dataclass
class Proof:
    """Answers about one mirror.

    `copying` and `translating` name its connectors, `connect` is asked without patience. `stall_s`: after how long
    without a record copied, although some wait, a mirror that is RUNNING counts as broken. `reason`: what its worker
    says of it.
    """

    progress: Progress
    walker: Walker
    connect: Connect
    copying: str
    translating: str | None
    stall_s: float
    reason: Callable[[], str | None]
    _stall: Stall = field(default_factory=Stall)
    _asked: float | None = None
    _failed: str | None = None

    def lag(self) -> Lag:
        """Return the lag by the last records, with what is known to be missing before them."""
        lag = self.progress.lag()
        if not self.progress.target_answered:
            return lag
        try:
            self.walker.step(_LOOK_S)
        except MirrorError:
            return replace(lag, not_compared=sum(last + 1 for last in lag.mirrored.values()))
        gaps = self.progress.gaps(look=False)
        missing = self.walker.told(lambda pairs, _absent: evidence.missing(pairs, lag.mirrored, gaps))
        records = {p: count + missing.get(p, 0) for p, count in lag.records.items()}
        left = self.walker.told(lambda pairs, _absent: evidence.not_compared(pairs, lag.mirrored))
        return replace(lag, records=records, not_compared=left, amid=sum(missing.values()))

    def drained(self) -> tuple[bool, str]:
        """Tell whether the target has every committed source record, with the evidence or what is missing.

        Every partition is compared up to the source's end; the end is read again and has not moved; the connector and
        all its tasks are RUNNING. Connect's stored offset is asked for only if equal records make the last one
        ambiguous: it stays behind a record that failed, but up to `offset.flush.interval.ms` behind one that did not.
        """
        try:
            gaps = self.progress.gaps(look=True)
            self.walker.step()
            stored = self.progress.stored
            told = self.walker.told(lambda pairs, absent: evidence.told(pairs, absent, stored=stored, gaps=gaps))
            ends = self.progress.ends()
            running = self._running()
        except MirrorError as error:
            return False, str(error)
        if told.broken or running or told.waits:
            return False, "; ".join([*told.broken, *running, *told.waits[:3]]) + _more(told.waits[3:])
        if moved := sorted(p for p, end in ends.items() if told.ends.get(p) != end):
            return False, f"records still arrive on the source in {moved[0][0]}-{moved[0][1]}" + _more(moved[1:])
        return True, f"{told.summary}; source ends did not move; {self.copying} is running"

    def broken(self) -> str | None:
        """Return what waiting does not heal, None if there is nothing: FAILED, missing records, no progress.

        What does not answer or is restarting is not broken. A mirror that does not exist is not either.
        """
        now = time.monotonic()
        if self._asked is None or now - self._asked >= _ASK_EVERY_S:
            self._failed, running = self._ask()
            self._asked = time.monotonic()
            self._note_progress(running=running)
        stalled = self.stalled() if self._stall.seconds >= self.stall_s else None
        return "; ".join(filter(None, [self._failed, self._holes(), stalled])) or None

    def stalled(self) -> str | None:
        """Return that nothing is copied, and what is known of it, if it has been so for some seconds."""
        if self._stall.seconds < _TELL_AFTER_S:
            return None
        said = self.reason()
        says = f"; its worker's log: {said}" if said else "; the reason is in the log of Connect's workers"
        return f"{self.copying} is RUNNING and has copied nothing for {self._stall.seconds:.0f} s{says}"

    def _ask(self) -> tuple[str | None, bool]:
        """Return what FAILED, and whether copying is known to run."""
        try:
            found = health.states(self.connect, [name for name in (self.copying, self.translating) if name])
        except MirrorError:
            return None, False
        return "; ".join(health.failed(found)) or None, not health.waits(
            {self.copying: found[self.copying]}, [self.copying]
        )

    def _holes(self) -> str | None:
        gaps = self.progress.gaps(look=False)
        broken = self.walker.told(lambda pairs, absent: evidence.told(pairs, absent, gaps=gaps)).broken
        return "; ".join(broken) or None

    def _note_progress(self, *, running: bool) -> None:
        answers = self.walker.failure is None
        waiting, at = self.walker.told(
            lambda pairs, absent: (
                any(pair.comparison.waiting for pair in pairs.values())
                or any(ends.source_end > ends.source_start for ends in absent.values()),
                [pair.target_at for pair in pairs.values()],
            )
        )
        self._stall.note(running=running and answers, waiting=waiting, progress=at)

    def _running(self) -> list[str]:
        found = health.states(self.connect, [self.copying])
        return health.waits(found, [self.copying] if self.progress.topics() else [])


def _more(left: Sized) -> str:
    count = len(left)
    return f"; and {count} more" if count else ""
