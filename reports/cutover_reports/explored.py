"""The last section of a report: what an exhaustive search of a small world found on the rehearsed paths.

A result counts only for the code and for the path that it was found with. Whatever does not match is shown with the
reason, and never as a proof. Only a violation of a path that decides changes a verdict: it is a condition.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cutover_harness import __version__
from cutover_harness.explore import explored as results
from cutover_harness.explore.case import FAULTS

from cutover_reports import words
from cutover_reports.model import Decision, PathReport, Risk, RouteReport, Run, Scenario
from cutover_reports.model_explored import Explored, ExploredGate, ExploredPath
from cutover_reports.paths import RESTART
from cutover_reports.risk import unmeasured

COMMAND = f"kafka-cutover scenarios explore --all --json {results.NAME}"
PROVES = (
    "A complete search without a violation proves that no order of events within the bounds does damage in this small "
    "abstract world. It does not prove the cutover: damage that needs more records, partitions, groups or faults, and "
    "defects inside brokers, mirror, shim and applications, are not in that world (docs/explore.md)."
)
ABSENT = (
    "Not explored: nothing is claimed about orders of events that were not rehearsed. Search a small world for them "
    f"with this command, then add the result with kafka-cutover report DIR --explored {results.NAME}:"
)
FLEETS = {
    "shim": "all clients on the shim",
    "restart": "all clients restarted",
    "restarted-producer": "one producer restarted",
    "restarted-group": "the group restarted",
    "restarted": "one producer and one group restarted",
}
TITLE = "Does exploring the path find a violation?"


@dataclass
class _Rehearsed:
    """A path as it was rehearsed. route_paths: the paths of routes that it decides on."""

    name: str
    steps: tuple[str, ...]
    planned: bool = False
    route_paths: dict[str, None] = field(default_factory=dict)


def explored_file(folders: Sequence[Path], given: Path | None) -> Path | None:
    """Return the result file of a report: the one that was given, otherwise that of the last folder that has one."""
    own = [file for folder in folders if (file := results.explored_in(folder)) is not None]
    return given or (own[-1] if own else None)


def explored_section(file: Path | None, runs: Sequence[Run], scenarios: Sequence[Scenario]) -> Explored:
    """Return the section; without a file one that claims nothing. Raises UsageError if the file is not valid."""
    if file is None:
        return Explored(file=None, product=None, procedure=None, paths=[], note=ABSENT, command=COMMAND)
    found = results.read_explored(file)
    stale = _stale(found, runs)
    rows = [row for rehearsed in _rehearsed(scenarios) for row in _rows(rehearsed, found, stale)]
    return Explored(
        file=file.name,
        product=found.product,
        procedure=found.procedure,
        paths=rows,
        note=PROVES,
        command=COMMAND,
    )


def with_violations(route: RouteReport, section: Explored) -> RouteReport:
    """Return a route with a condition for each violation of a path that decides on it."""
    deciding = [path.name for path in route.paths if path.decides]
    violated = [row for row in section.paths if row.result == "violation"]
    ours = [row for row in violated if set(row.route_paths) & set(deciding)]
    paths = [_with_open(path, [row for row in violated if path.name in row.route_paths]) for path in route.paths]
    if not ours:
        return route.model_copy(update={"paths": paths})
    risks = [_risk(row) for row in ours]
    blocking = [risk for risk in route.risks if risk.level == "blocks"]
    return route.model_copy(
        update={
            "decision": _at_most(route.decision),
            "paths": paths,
            "conditions": [*route.conditions, *(f"{TITLE} {r.answer}. {r.lowered_by}" for r in risks)],
            "risks": [*blocking, *risks, *route.risks[len(blocking) :]],
        }
    )


def _at_most(decision: Decision) -> Decision:
    return "GO WITH CONDITIONS" if decision == "GO" else decision


def _with_open(path: PathReport, rows: Sequence[ExploredPath]) -> PathReport:
    if not rows:
        return path
    lines = [f"{TITLE} {_answer(row)}" for row in rows]
    return path.model_copy(update={"decision": _at_most(path.decision), "open": [*path.open, *lines]})


def _risk(row: ExploredPath) -> Risk:
    return unmeasured(
        "explored",
        TITLE,
        answer=_answer(row),
        measured=row.violation,
        threshold="no violation",
        lowered_by="The last section has the sequence of events: rule it out, or correct the path, and explore again.",
        command=COMMAND,
    )


def _answer(row: ExploredPath) -> str:
    doubt = f" ({'; '.join(row.why)})" if row.why else ""
    return f"Yes, {row.path}, {row.world}: {row.violation}{doubt}"


def _stale(found: results.Explored, runs: Sequence[Run]) -> list[str]:
    """Return why a result says nothing of this version, or of the one that rehearsed."""
    why = []
    if found.product != __version__:
        why.append(f"it was explored with kafka-cutover {found.product}, and this is {__version__}")
    elif found.procedure != results.procedure_hash():
        why.append("the code of the procedure is not the one that was explored")
    others = {run.versions.get("kafka-cutover") for run in runs} - {None, found.product}
    if others:
        why.append(
            f"it was explored with kafka-cutover {found.product}, and rehearsed with "
            f"{words.listed(sorted(map(str, others)))}"
        )
    return why


def _rehearsed(scenarios: Sequence[Scenario]) -> list[_Rehearsed]:
    """Return the paths that were rehearsed, each once; rollbacks of the same steps are one."""
    found: dict[tuple[str | None, tuple[str, ...]], _Rehearsed] = {}
    deciding = {(s.route, s.of_path): s.of_path for s in scenarios if s.of_path is not None}
    for scenario in scenarios:
        if scenario.kind == "control" or not scenario.asked_path:
            continue
        steps = tuple(scenario.asked_path)
        name = scenario.of_path or scenario.name.removeprefix(f"{scenario.route}.")
        its = found.setdefault((scenario.of_path, steps), _Rehearsed(name, steps))
        its.planned |= scenario.plan is not None
        if not scenario.taken:
            continue
        # A rollback without a fault belongs to no path: it concerns each one of its route.
        concerned = (
            [scenario.of_path] if scenario.of_path else [p for (r, _), p in deciding.items() if r == scenario.route]
        )
        its.route_paths |= dict.fromkeys(concerned)
    return list(found.values())


def _rows(rehearsed: _Rehearsed, found: results.Explored, stale: Sequence[str]) -> Iterable[ExploredPath]:
    entries = _entries(rehearsed, found.paths)
    for entry in entries:
        yield _row(rehearsed, entry, stale)
    if not entries:
        named = [entry for entry in found.paths if entry.name == rehearsed.name]
        yield ExploredPath(
            path=rehearsed.name,
            route_paths=list(rehearsed.route_paths),
            world="",
            result="not proved" if named else "not explored",
            why=["the explored path of this name has other steps, or gates that are switched off"] if named else [],
            states=None,
            depth=None,
            bounds="",
            violations=None,
            violation="",
            trace=[],
            gates=[],
        )


def _entries(rehearsed: _Rehearsed, entries: Sequence[results.ExploredPath]) -> list[results.ExploredPath]:
    """Return the results for a path: same steps, all gates on, and the fleets nearest to the rehearsed one."""
    same = [
        entry
        for entry in entries
        if all(step.safety for step in entry.steps) and tuple(step.step for step in entry.steps) == rehearsed.steps
    ]
    if rehearsed.name == RESTART:
        return [entry for entry in same if entry.fleet == "restart"]
    same = [entry for entry in same if entry.fleet != "restart"] or same
    return [entry for entry in same if entry.planned == rehearsed.planned] or same


def _row(rehearsed: _Rehearsed, entry: results.ExploredPath, stale: Sequence[str]) -> ExploredPath:
    why = list(stale)
    if entry.without:
        why.append(f"gates were left out: {', '.join(entry.without)}")
    violation = None if entry.without else entry.violation
    if violation is None:
        why += _incomplete(entry)
    if rehearsed.planned and not entry.planned:
        why.append("it was explored without a plan, and rehearsed with one")
    return ExploredPath(
        path=rehearsed.name,
        route_paths=list(rehearsed.route_paths),
        world=FLEETS[entry.fleet] + (", in a plan" if entry.planned else ""),
        result="violation" if violation else "not proved" if why else "no violation",
        why=why,
        states=entry.states if entry.searched else None,
        depth=entry.depth if entry.searched else None,
        bounds=_bounds(entry.bounds),
        violations=entry.violations if entry.searched or entry.walks else None,
        violation="" if violation is None else violation.words,
        trace=[] if violation is None else violation.trace,
        gates=[_gate(gate) for gate in entry.gates],
    )


def _incomplete(entry: results.ExploredPath) -> list[str]:
    if entry.complete:
        return []
    if entry.walks:
        return [f"{words.plural(entry.walks, 'random walk')} visited some states only"]
    return ["a bound ended the search before it was complete"] if entry.searched else ["its states were not visited"]


def _bounds(its: results.Bounded) -> str:
    if not its.faults:
        faults = "no fault"
    else:
        kinds = "of any kind" if set(its.kinds) == set(FAULTS) else f"of {', '.join(its.kinds)}"
        faults = f"{words.plural(its.faults, 'fault')} {kinds}"
    size = f"{words.plural(its.partitions, 'partition')}, {words.plural(its.records, 'record')} each"
    return f"{size}, {faults}, {'any number of kills' if its.kills else 'no kills'}"


def _gate(gate: results.GateFound) -> ExploredGate:
    if gate.prevents is None:
        note = "no damage found without it" if gate.complete else "a bound ended the search without it"
        return ExploredGate(gate=gate.gate, prevents=None, note=note)
    note = "once the gates of this name at other steps are left out as well" if gate.together else ""
    return ExploredGate(gate=gate.gate, prevents=gate.prevents.words, note=note)
