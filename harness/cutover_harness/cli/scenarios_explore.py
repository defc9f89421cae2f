"""`kafka-cutover scenarios explore`: every order of events of a path in an abstract world, within bounds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from cutover_harness.cli.scenarios_explored import Shown
from cutover_harness.errors import UsageError
from cutover_harness.exit_codes import FAILED
from cutover_harness.explore.case import FAULTS, Bounds, Case, Removed
from cutover_harness.explore.catalogue import cases
from cutover_harness.explore.necessity import Necessity, gates_of, named, necessity
from cutover_harness.explore.runs import replay_run
from cutover_harness.explore.search import Result, Search
from cutover_harness.explore.workers import Note, cores, each
from cutover_harness.words import counted

Names = Annotated[
    list[str] | None, typer.Argument(help="Names in the catalogue or of an output line, or scenario files.")
]


def explore(
    names: Names = None,
    every: Annotated[
        bool, typer.Option("--all", help="Explore all switchovers and rollbacks of the catalogue.")
    ] = False,
    partitions: Annotated[int, typer.Option(min=1, max=3, help="Partitions, each with a key of its own.")] = 1,
    records: Annotated[int, typer.Option(min=1, max=12, help="Records of each key.")] = 2,
    faults: Annotated[int, typer.Option(min=0, max=4, help="Faults at most, one after the other.")] = 1,
    kinds: Annotated[
        list[str] | None, typer.Option("--fault", help="Kind of fault, may be repeated (default: all).")
    ] = None,
    depth: Annotated[int | None, typer.Option(min=1, help="Events at most (default: no limit).")] = None,
    states: Annotated[int, typer.Option(min=1, help="States of a path at most; each needs 300 bytes.")] = 3_000_000,
    seconds: Annotated[float | None, typer.Option(min=1, help="Seconds for each search (default: no limit).")] = None,
    walks: Annotated[int, typer.Option("--random-walks", min=0, help="Random walks instead of a search.")] = 0,
    seed: Annotated[int, typer.Option(help="Seed of the first walk.")] = 0,
    without: Annotated[
        str | None, typer.Option(metavar="STEP/before|after/GATE", help="Leave out a gate; a wrong name lists all.")
    ] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Searches at a time (default: one for each core).")] = None,
    every_gate: Annotated[bool, typer.Option("--necessity", help="Leave out the gates one by one.")] = False,
    runs: Annotated[
        list[Path] | None,
        typer.Option("--replay", metavar="FOLDER", help="Replay a run's journal and ledgers, may be repeated."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for the counterexamples' scenario files.")
    ] = None,
    result_file: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Write what was explored to FILE, for the report (-: print it)."),
    ] = None,
) -> int:
    """Explore a path: every order of events, every crash of the conductor, with the product's own steps and gates.

    Exit codes: 0 no violation within the bounds (with --necessity: each gate has a counterexample); 1 a violation (or a
    gate without one, or a journal that the world forbids); 2 bad input; 3 a bound ended the search before it was
    complete.
    """
    if wrong := [kind for kind in kinds or () if kind not in FAULTS]:
        raise UsageError(f"--fault {wrong[0]}: no such fault: give one of: {', '.join(FAULTS)}")
    if runs:
        given: dict[str, object] = {"names": names, "--all": every, "--random-walks": walks, "--without": without}
        given |= {"--necessity": every_gate, "--out": out, "--json": result_file}
        if more := [option for option, value in given.items() if value]:
            raise UsageError(f"--replay: takes path and bounds from the run, and prints lines: leave out {more[0]}")
        return replay_all(runs)
    if bool(names) == every:
        raise UsageError("give names or files of scenarios, or --all")
    chosen = tuple(kinds) if kinds else tuple(FAULTS)
    limit = None if seconds == math.inf else seconds  # JSON has no infinity
    bounds = Bounds(partitions, records, faults, chosen, depth=depth, states=states, seconds=limit)
    shown = Shown(result_file, out)
    found = cases(names or (), bounds)
    run = partial(each, jobs=jobs or cores(), note=_note)
    if walks:
        for number, case in enumerate(found, start=1):
            _note(f"{case.name}: path {number} of {len(found)}")
            shown.walks(case, range(seed, seed + walks))
    elif every_gate:
        _necessity(found, run, shown)
    else:
        found = [case if without is None else _lacking(case, without) for case in found]
        for _, result in run(search_of, found, what="path"):
            shown.result(result)
    return shown.end()


def _necessity(found: Sequence[Case], run: Callable[..., Iterator[Any]], shown: Shown) -> None:
    """Show what each gate prevents; for a result file search the paths as well, which say what holds with all gates."""
    if shown.writes:
        for _, result in run(search_of, found, what="path"):
            shown.result(result)
    gates = [pair for _, its in run(gates_with_case, found, what="gate list") for pair in its]
    for (case, _), necessary in run(necessity_of, gates, what="gate"):
        shown.necessity(case, necessary)


def _lacking(case: Case, gate: str) -> Case:
    return replace(case, without=frozenset({named(case, gate)}))


def search_of(case: Case, note: Note) -> Result:
    """Search one case; what a worker does."""
    return Search(case, lambda states, depth: note(f"{case.name}: {counted(states, 'state')}, depth {depth}")).run()


def gates_with_case(case: Case, note: Note) -> list[tuple[Case, Removed]]:
    """Return all gates of a case; what a worker does."""
    note(f"{case.name}: gates")
    return [(case, gate) for gate in gates_of(case)]


def necessity_of(pair: tuple[Case, Removed], note: Note) -> Necessity:
    """Search the worlds of one gate; what a worker does."""
    case, gate = pair
    return necessity(case, gate, lambda line: note(f"{case.name}: {line}"))


def replay_all(folders: Sequence[Path]) -> int:
    """Replay journals and ledgers of runs, and return the exit code."""
    failed = False
    for folder in folders:
        found = replay_run(folder)
        failed |= not found.allowed
        for line in found.lines():
            typer.echo(f"{folder}: {line}")
    return FAILED if failed else 0


def _note(line: str) -> None:
    typer.echo(f"  … {line}", err=True)
