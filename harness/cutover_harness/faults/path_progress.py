"""When a lasting fault is over: seconds after the path has reached something, which a slow machine reaches later."""

from __future__ import annotations

import threading
from typing import Literal

from cutover_harness.faults.base import LastingFault
from cutover_harness.procedure.entries import Entry
from cutover_harness.procedure.names import StepName

Reached = tuple[Literal["begun", "outlasted"], StepName] | Literal["missed"]


class PathProgress:
    """What the path has reached, from its conductor's journal; safe for several threads."""

    def __init__(self) -> None:
        self._reached: list[Reached] = []
        self._steps: dict[int, StepName] = {}
        self._begun: set[int] = set()
        self._over = False
        self._changed = threading.Condition()

    def saw(self, entry: Entry) -> None:
        """Take a new entry of the journal into account."""
        with self._changed:
            if entry.kind == "step":
                self._steps[entry.step] = StepName(entry.name)
            elif entry.kind == "doing":
                self._begun.add(entry.step)
                self._reached.append(("begun", StepName(entry.name)))
            elif entry.kind == "flows":
                self._reached.append(("outlasted", StepName(entry.name)))
            elif entry.kind == "waits" and entry.step in self._steps:
                step = self._steps[entry.step]
                # The path waits before the step, or its action, which has the step's name, meets the fault itself.
                if entry.step not in self._begun or entry.name == step:
                    self._reached.append(("outlasted", step))
            elif entry.kind == "missed":
                self._reached.append("missed")
            self._changed.notify_all()

    def end(self) -> None:
        """Note that the path has ended: it reaches nothing more."""
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def here(self) -> int:
        """Return a position; what a fault outlasts comes after it, perhaps in the same step."""
        return len(self._reached)

    def await_end(self, fault: LastingFault, since: int) -> None:
        """Return when `fault` is over, which was injected at the position `since`."""
        awaited: Reached | None = None
        if fault.until is not None:
            awaited = "missed" if fault.until == "missed" else ("outlasted", fault.until)
        elif fault.when == "during":
            awaited = "begun", fault.at
        with self._changed:
            if awaited is not None:
                self._changed.wait_for(lambda: awaited in self._reached[since:] or self._over)
            # A step that was never reached cannot be outlasted.
            if awaited is None or awaited in self._reached[since:]:
                self._changed.wait_for(lambda: self._over and fault.until is not None, timeout=fault.seconds)
