"""Whether a batch's connectors run and make progress."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from cutover_harness.mirror.connect_rest import Connect, Status

States = Mapping[str, Status | None]


def states(connect: Connect, names: Iterable[str]) -> States:
    """Return the states of connectors by Connect. Raises MirrorError if it does not answer."""
    return {name: connect.status(name) for name in names}


def waits(found: States, need_tasks: Collection[str] = ()) -> list[str]:
    """Return, in words, what is not RUNNING; `need_tasks`: the connectors that have to have a task.

    RUNNING is no evidence of progress: it stays during a network partition, and for seconds after a worker is killed.
    """
    words = []
    for name, status in found.items():
        if status is None:
            words.append(f"{name} does not exist, or Connect is still starting")  # it answers 404 for both
        elif status.failure is not None:
            words.append(f"{name} FAILED: {status.failure}")
        elif status.connector != "RUNNING":
            words.append(f"{name} is {status.connector}")
        elif others := [state for state in status.tasks if state != "RUNNING"]:
            words.append(f"a task of {name} is {others[0]}")
        elif not status.tasks and name in need_tasks:
            words.append(f"{name} has no task yet")
    return words


def failed(found: States) -> list[str]:
    """Return what FAILED, with Connect's reason. Connect restarts nothing that failed by itself."""
    return [f"{name} FAILED: {each.failure}" for name, each in found.items() if each is not None and each.failure]


@dataclass
class Stall:
    """Measures for how long a mirror that is RUNNING has copied nothing although records wait.

    Time in which it was not known to run, in which a cluster did not answer, or since which nobody has looked at the
    logs, does not count.
    """

    clock: Callable[[], float] = time.monotonic
    _since: float | None = field(default=None, init=False)
    _until: float = field(default=0.0, init=False)
    _looks: int | None = field(default=None, init=False)
    _progress: object = field(default=None, init=False)

    def note(self, *, running: bool, waiting: bool, progress: object, looks: int) -> None:
        """Note what is known; `progress`: a value that changes with each record that is copied.

        `looks`: how often the logs were looked at. Without a look since the last time nothing new is known, unless the
        mirror does not run.
        """
        if running and looks == self._looks:
            return
        self._looks = looks
        if not running or not waiting or self._since is None or progress != self._progress:
            self._since = self.clock() if running and waiting else None
        self._until = self.clock()
        self._progress = progress

    @property
    def seconds(self) -> float:
        """Seconds without progress, 0 if there is nothing to copy."""
        return 0.0 if self._since is None else self._until - self._since
