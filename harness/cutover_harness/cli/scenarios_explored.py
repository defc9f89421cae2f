"""What `scenarios explore` prints and writes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from cutover_harness.cli.scenarios_total import Total
from cutover_harness.explore.case import Case, Removed
from cutover_harness.explore.counterexample import scenario_of
from cutover_harness.explore.explored import (
    ExploredPath,
    begun,
    with_gate,
    with_result,
    with_walks,
    write_explored,
    written,
)
from cutover_harness.explore.necessity import Necessity
from cutover_harness.explore.search import Result, Search, Violation
from cutover_harness.files import write_atomic
from cutover_harness.outputs import check_file, check_folder
from cutover_harness.words import counted

STANDARD_OUTPUT = Path("-")


class Shown:
    """Prints results, and remembers them for the result file and the totals."""

    def __init__(self, file: Path | None, out: Path | None) -> None:
        """Prepare. Raises UsageError if the file, or files in the folder `out`, cannot be written."""
        if out is not None:
            check_folder(out, "--out")
        if file is not None and file != STANDARD_OUTPUT:
            check_file(file, "--json")
        self._file, self._out = file, out
        self._paths: dict[str, ExploredPath] = {}
        self._total = Total()

    @property
    def writes(self) -> bool:
        """Whether there is a result file."""
        return self._file is not None

    def result(self, result: Result) -> None:
        """Show a search."""
        case = result.case
        self._total.searched(result)
        self._paths[case.name] = with_result(self._entry(case), result)
        end = "all of them" if result.complete else "bound reached" if result.violation is None else "VIOLATION"
        lacking = "".join(f", without {gate}" for gate in sorted(map(str, case.without)))
        self._say(f"{case.name} ({case.fleet}{lacking}): {counted(result.states, 'state')}, {end}, "
                  f"depth {result.depth}, {result.seconds:.0f} s")  # fmt: skip
        self._trace(case, next(iter(case.without), None), result.violation)

    def walks(self, case: Case, seeds: Sequence[int]) -> None:
        """Show random walks."""
        search = Search(case)
        for number, seed in enumerate(seeds, start=1):
            if (violation := search.walk(seed)) is not None:
                self._total.walked(number, violated=True)
                self._paths[case.name] = with_walks(self._entry(case), number, violation)
                self._say(f"{case.name}: walk {seed}: VIOLATION")
                self._trace(case, None, violation)
                return
        self._total.walked(len(seeds), violated=False)
        self._paths[case.name] = with_walks(self._entry(case), len(seeds), None)
        self._say(f"{case.name}: {counted(len(seeds), 'walk')}, no violation")

    def necessity(self, case: Case, found: Necessity) -> None:
        """Show which damage a gate prevents."""
        violation = found.violation
        self._total.left_out(case, found)
        self._paths[case.name] = with_gate(self._entry(case), found)
        if violation is not None:
            words = violation.damage.words
        elif found.complete:
            words = "NO counterexample in these worlds"
        else:
            words = "bound reached, no counterexample until then"
        if violation is not None and found.together:
            words = f"repeats a gate of another step; without all of them: {words}"
        self._say(f"{case.name}: {found.gate}: {words} ({counted(found.states, 'state')})")
        if violation is not None and self._out is not None:
            self._trace(found.case, found.gate, violation)

    def end(self) -> int:
        """Print the totals, write the result file, if one is wanted, and return the exit code."""
        self._say(self._total.line())
        if self._file == STANDARD_OUTPUT:
            typer.echo(written(list(self._paths.values())), nl=False)
        elif self._file is not None:
            write_explored(self._file, list(self._paths.values()))
        return self._total.exit_code

    def _entry(self, case: Case) -> ExploredPath:
        return self._paths.get(case.name) or begun(case)

    def _say(self, line: str) -> None:
        if self._file != STANDARD_OUTPUT:
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
