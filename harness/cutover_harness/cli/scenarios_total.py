"""The last line of `scenarios explore`: what all searches together have visited and found."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from cutover_harness.exit_codes import FAILED, UNPROVED
from cutover_harness.explore.case import Case
from cutover_harness.explore.necessity import Necessity
from cutover_harness.explore.search import Result
from cutover_harness.words import counted


@dataclass
class Total:
    """Counts of all searches: of paths, by random walks, and of gates that were left out, by their result."""

    _paths: int = 0
    _states: int = 0
    _walks: int = 0
    _violations: int = 0
    _bounded: int = 0
    _paths_of_gates: set[str] = field(default_factory=set)
    _gate_states: int = 0
    _necessary: int = 0
    _repeated: int = 0
    _unneeded: int = 0
    _bounded_gates: int = 0
    _began: float = field(default_factory=time.monotonic)

    def searched(self, result: Result) -> None:
        """Count the search of a path."""
        self._paths += 1
        self._states += result.states
        self._violations += result.violation is not None
        self._bounded += result.violation is None and not result.complete

    def walked(self, walks: int, *, violated: bool) -> None:
        """Count the random walks on a path."""
        self._paths += 1
        self._walks += walks
        self._violations += violated

    def left_out(self, case: Case, found: Necessity) -> None:
        """Count a gate that was left out."""
        self._paths_of_gates.add(case.name)
        self._gate_states += found.states
        if found.violation is not None:
            self._necessary += 1
            self._repeated += found.together
        elif found.complete:
            self._unneeded += 1
        else:
            self._bounded_gates += 1

    @property
    def exit_code(self) -> int:
        """FAILED for a violation, or a gate that nothing needs; UNPROVED if something was not visited as a whole."""
        if self._violations or self._unneeded:
            return FAILED
        return UNPROVED if self._bounded or self._bounded_gates or self._walks else 0

    def line(self) -> str:
        """Return the line."""
        parts = [self._of_paths()] if self._paths else []
        if self._paths_of_gates:
            parts.append(self._of_gates())
        return f"total: {'; '.join(parts) or 'nothing'}; {time.monotonic() - self._began:.0f} s"

    def _of_paths(self) -> str:
        visited = counted(self._walks, "walk") if self._walks else counted(self._states, "state")
        found = [counted(self._paths, "path"), visited, counted(self._violations, "violation")]
        return ", ".join([*found, *([f"{self._bounded:,} ended by a bound"] if self._bounded else [])])

    def _of_gates(self) -> str:
        gates = self._necessary + self._unneeded + self._bounded_gates
        repeated = f" ({self._repeated:,} together with the same gate of other steps)" if self._repeated else ""
        return (
            f"{counted(gates, 'gate')} of {counted(len(self._paths_of_gates), 'path')}, "
            f"{counted(self._gate_states, 'state')}: {self._necessary:,} necessary{repeated}, "
            f"{self._unneeded:,} without a counterexample, {self._bounded_gates:,} ended by a bound"
        )
