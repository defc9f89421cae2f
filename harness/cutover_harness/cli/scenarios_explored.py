"""What `scenarios explore` prints and writes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import typer

from cutover_harness import __version__
from cutover_harness.exit_codes import FAILED, UNPROVED
from cutover_harness.explore.case import Case, Removed
from cutover_harness.explore.counterexample import scenario_of
from cutover_harness.explore.necessity import Necessity
from cutover_harness.explore.search import Result, Search, Violation
from cutover_harness.files import write_atomic


class Shown:
    """Prints results, and remembers what the exit code has to say."""

    def __init__(self, as_json: bool, out: Path | None) -> None:
        self._json, self._out = as_json, out
        self._rows: list[dict[str, Any]] = []
        self._failed = self._open = False

    def result(self, result: Result) -> None:
        """Show a search."""
        case = result.case
        self._open |= not result.complete and result.violation is None
        self._failed |= result.violation is not None
        row = {
            **_searched(case), "states": result.states, "moves": result.moves,
            "depth": result.depth, "seconds": round(result.seconds, 1), "complete": result.complete,
            "only_a_deadline_ends": {str(gate): list(v.trace) for gate, v in result.in_vain.items()},
        }  # fmt: skip
        self._rows.append(row | _violation(result.violation))
        end = "all of them" if result.complete else "bound reached" if result.violation is None else "VIOLATION"
        lacking = "".join(f", without {gate}" for gate in sorted(map(str, case.without)))
        self._say(f"{case.name} ({case.fleet}{lacking}): {result.states:,} states, {end}, depth {result.depth}, "
                  f"{result.seconds:.0f} s")  # fmt: skip
        for gate in result.in_vain:
            self._say(f"  only its deadline ends a wait for {gate}, in some states (--json has a trace)")
        self._trace(case, next(iter(case.without), None), result.violation)

    def walks(self, case: Case, seeds: Sequence[int]) -> None:
        """Show random walks."""
        search = Search(case)
        for seed in seeds:
            if (violation := search.walk(seed)) is not None:
                self._failed = True
                self._rows.append(_searched(case) | {"seed": seed} | _violation(violation))
                self._say(f"{case.name}: walk {seed}: VIOLATION")
                self._trace(case, None, violation)
                return
        self._open = True
        self._rows.append(_searched(case) | {"walks": len(seeds), "complete": False, "violation": None})
        self._say(f"{case.name}: {len(seeds)} walks, no violation")

    def necessity(self, case: Case, found: Necessity) -> None:
        """Show which damage a gate prevents."""
        violation = found.violation
        self._failed |= violation is None and found.complete
        self._open |= violation is None and not found.complete
        row = {
            **_searched(case),
            "gate": str(found.gate),
            "together": found.together,
            "states": found.states,
            "complete": found.complete,
        }
        self._rows.append(row | _violation(violation))
        words = "NO counterexample in these worlds" if violation is None else violation.damage.words
        if violation is not None and found.together:
            words = f"repeats a gate of another step; without all of them: {words}"
        self._say(f"{case.name}: {found.gate}: {words} ({found.states:,} states)")
        if violation is not None and self._out is not None:
            self._trace(found.case, found.gate, violation)

    def end(self) -> int:
        """Return the exit code."""
        if self._json:
            typer.echo(json.dumps(self._rows, indent=2))
        return FAILED if self._failed else UNPROVED if self._open else 0

    def _say(self, line: str) -> None:
        if not self._json:
            typer.echo(line)

    def _trace(self, case: Case, gate: Removed | None, violation: Violation | None) -> None:
        if violation is None:
            return
        for number, line in enumerate(violation.trace, start=1):
            self._say(f"  {number:3} {line}")
        text = scenario_of(case, gate, violation)
        if text is None:
            self._say("  no scenario file: the testbed cannot leave out this gate, or has no such fault")
        elif self._out is not None:
            self._out.mkdir(parents=True, exist_ok=True)
            name = text.split("\nname: ", 1)[1].split("\n", 1)[0]
            write_atomic(self._out / f"{name}.yaml", text)
            self._say(f"  {self._out / name}.yaml")


def _searched(case: Case) -> dict[str, Any]:
    """Return what was searched: a result says nothing about another version, other steps or wider bounds."""
    return {
        "version": __version__,
        "path": case.name,
        "steps": [str(step.step) for step in case.path],
        "fleet": case.fleet,
        "bounds": asdict(case.bounds),
        "without": sorted(map(str, case.without)),
    }


def _violation(violation: Violation | None) -> dict[str, Any]:
    if violation is None:
        return {"violation": None}
    return {"violation": {"kind": violation.damage.kind, "words": violation.damage.words, "trace": violation.trace}}
