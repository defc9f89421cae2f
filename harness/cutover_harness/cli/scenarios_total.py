"""The last line of `scenarios explore`: what all searches together have visited and found."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from cutover_harness.explore.case import Case
from cutover_harness.explore.necessity import Necessity
from cutover_harness.explore.search import Result
from cutover_harness.words import counted


@dataclass
class Total:
    """Counts of all searches. bounded: searches of paths that a bound ended; the gates are counted by their result."""

    paths: int = 0
    states: int = 0
    walks: int = 0
    violations: int = 0
    bounded: int = 0
    necessary: int = 0
    repeated: int = 0
    unneeded: int = 0
    bounded_gates: int = 0
    _paths_of_gates: set[str] = field(default_factory=set)
    _gate_states: int = 0
    _began: float = field(default_factory=time.monotonic)

    def searched(self, result: Result) -> None:
        """Count the search of a path."""
        self.paths += 1
        self.states += result.states
        self.violations += result.violation is not None
        self.bounded += result.violation is None and not result.complete

    def left_out(self, case: Case, found: Necessity) -> None:
        """Count a gate that was left out."""
        self._paths_of_gates.add(case.name)
        self._gate_states += found.states
        if found.violation is not None:
            self.necessary += 1
            self.repeated += found.together
        elif found.complete:
            self.unneeded += 1
        else:
            self.bounded_gates += 1

    def line(self) -> str:
        """Return the line."""
        parts = [self._of_paths()] if self.paths else []
        if self._paths_of_gates:
            parts.append(self._of_gates())
        return f"total: {'; '.join(parts) or 'nothing'}; {time.monotonic() - self._began:.0f} s"

    def _of_paths(self) -> str:
        visited = counted(self.walks, "walk") if self.walks else counted(self.states, "state")
        found = [counted(self.paths, "path"), visited, counted(self.violations, "violation")]
        return ", ".join([*found, *([f"{self.bounded:,} ended by a bound"] if self.bounded else [])])

    def _of_gates(self) -> str:
        gates = self.necessary + self.unneeded + self.bounded_gates
        repeated = f" ({self.repeated:,} together with the same gate of other steps)" if self.repeated else ""
        return (
            f"{counted(gates, 'gate')} of {counted(len(self._paths_of_gates), 'path')}, "
            f"{counted(self._gate_states, 'state')}: {self.necessary:,} necessary{repeated}, "
            f"{self.unneeded:,} without a counterexample, {self.bounded_gates:,} ended by a bound"
        )
