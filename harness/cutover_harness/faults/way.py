"""When a fault is over: seconds after something that the path has come to, which a slow machine reaches later."""

from __future__ import annotations

import threading
from typing import Literal

from cutover_harness.conductor.journal import Entry
from cutover_harness.plan.fault import Fault
from cutover_harness.plan.path import Act

Moment = tuple[Literal["begun", "outlasted"], Act] | Literal["missed"]


class Way:
    """How far the path has come, as its conductor's journal says; for several threads."""

    def __init__(self) -> None:
        self._reached: list[Moment] = []
        self._acts: dict[int, Act] = {}
        self._begun: set[int] = set()
        self._over = False
        self._changed = threading.Condition()

    def saw(self, entry: Entry) -> None:
        """Take in a new entry of the journal."""
        with self._changed:
            if entry.kind == "step":
                self._acts[entry.step] = Act(entry.name)
            elif entry.kind == "doing":
                self._begun.add(entry.step)
                self._reached.append(("begun", Act(entry.name)))
            elif entry.kind == "flows":
                self._reached.append(("outlasted", Act(entry.name)))
            elif entry.kind == "waits" and entry.step in self._acts and entry.step not in self._begun:
                self._reached.append(("outlasted", self._acts[entry.step]))  # the path waits before the act
            elif entry.kind == "missed":
                self._reached.append("missed")
            self._changed.notify_all()

    def end(self) -> None:
        """The path has ended: nothing more will be reached."""
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def here(self) -> int:
        """Return how far the path has come: what a fault outlasts comes after that, in the same act perhaps."""
        return len(self._reached)

    def await_end(self, fault: Fault, since: int) -> None:
        """Return when `fault` is over, which was injected when the path had come to `since`."""
        moment: Moment | None = None
        if fault.until is not None:
            moment = "missed" if fault.until == "missed" else ("outlasted", fault.until)
        elif fault.when == "during":
            moment = "begun", fault.at
        with self._changed:
            if moment is not None:
                self._changed.wait_for(lambda: moment in self._reached[since:] or self._over)
            # What was never reached is not outlasted by anything.
            if moment is None or moment in self._reached[since:]:
                self._changed.wait_for(lambda: self._over and fault.until is not None, timeout=fault.seconds)
