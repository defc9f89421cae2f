"""The rehearsal of the same plan beside the cutover; a rehearsal of another plan is named, and does not count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cutover_harness.errors import UsageError

from cutover_reports import plans, words
from cutover_reports.model import Scenario
from cutover_reports.performed.model import Batch, Beside, Compared, Rehearsal
from cutover_reports.reading import read_run, read_scenario
from cutover_reports.scenarios import figures

#: Folders next to the run's that are looked at.
_MOST_FOLDERS = 500


@dataclass
class Rehearsed:
    """Rehearsals that were found, and the scenarios of one batch each, by batch and hash of the plan."""

    named: list[Rehearsal] = field(default_factory=list)
    scenarios: dict[tuple[str, str], Scenario] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


def find(run: Path, given: Path | None, hashes: Sequence[str]) -> Rehearsed:
    """Read the rehearsal that was given, or those next to the run. Raises UsageError if what was given is none.

    hashes: of the plans that moved batches.
    """
    found = Rehearsed()
    folders = [given] if given is not None else _next_to(run)
    read = [(folder, read_run(folder)) for folder in folders if given is not None or _readable(folder)]
    for folder, rehearsal in sorted(read, key=lambda each: str(each[1].rehearsal.get("started"))):
        plan = plans.reference(rehearsal.rehearsal.get("plan"))
        started = rehearsal.rehearsal.get("started")
        counts = plan is not None and plan.sha256 in hashes
        if plan is None:
            if given is None:
                continue  # of the catalogue alone
            note = "is no rehearsal of a plan, so it does not count"
        elif counts:
            note = "of the plan that was carried out"
        else:
            note = f"of another plan (SHA-256 {plan.sha256[: plans.SHOWN]}), so it does not count"
        found.named.append(
            Rehearsal(
                folder=folder.resolve().name,
                plan=None if plan is None else plan.sha256,
                started=started if isinstance(started, str) else None,
                counts=counts,
                note=note,
            )
        )
        if not counts:
            continue
        found.missing += [f"rehearsal {folder.name}: {line}" for line in rehearsal.missing]
        for name in rehearsal.names:
            scenario = read_scenario(rehearsal, name)
            if scenario.facts is None or scenario.facts.plan is None or len(scenario.facts.plan.batches) != 1:
                continue
            try:
                its = figures(scenario, 0, set())
            except (ValueError, TypeError, ArithmeticError):
                found.missing.append(f"rehearsal {folder.name}: {name}: its files cannot be used")
                continue
            if its.kind == "switchover" and not its.faults:
                found.scenarios[scenario.facts.plan.batches[0], scenario.facts.plan.sha256] = its
    return found


def beside(batch: Batch, scenario: Scenario) -> Beside:
    """Return a batch's figures beside those of its rehearsal."""
    rows = [
        _blackout(batch, "producer", scenario.producer_blackout_ms),
        _blackout(batch, "consumer", scenario.consumer_blackout_ms),
        _read_again(batch, scenario),
        _lost(batch, scenario),
        _lag(batch, scenario),
    ]
    rehearsed = {mark.name: mark for mark in scenario.marks if mark.kind == "step"}
    for step in batch.steps:
        mark = rehearsed.get(step.name)
        if step.number < 1 or step.back or (mark is None and step.seconds is None):
            continue
        then = None if mark is None or mark.to_s is None else mark.to_s - mark.from_s
        rows.append(_seconds(f"step {step.name}", then, step.seconds))
    waits: dict[str, float] = {}
    for mark in scenario.marks:
        if mark.kind == "gate" and mark.to_s is not None:
            waits[mark.name] = waits.get(mark.name, 0.0) + mark.to_s - mark.from_s
    happened = _gate_waits(batch)
    names = dict.fromkeys([*happened, *waits])
    rows += [_seconds(f"gate {name}", waits.get(name), happened.get(name)) for name in names]
    return Beside(scenario=scenario.name, outcome=scenario.outcome, rows=rows)


def _gate_waits(batch: Batch) -> Mapping[str, float]:
    found: dict[str, float] = {}
    for step in batch.steps:
        for gate in step.gates:
            if not step.back and gate.wait_s is not None:
                found[gate.name] = found.get(gate.name, 0.0) + gate.wait_s
    return found


def longest(batch: Batch, role: str) -> float | None:
    """Return the longest blackout of a role in seconds, None if none is known."""
    known = [each.seconds for each in batch.blackouts if each.role == role and each.seconds is not None]
    return max(known, default=None)


def _blackout(batch: Batch, role: str, then_ms: float | None) -> Compared:
    now = longest(batch, role)
    return _row(f"longest blackout of {role}s", then_ms, None if now is None else now * 1000, words.milliseconds)


def _seconds(what: str, then: float | None, now: float | None) -> Compared:
    then_ms, now_ms = (None if each is None else each * 1000 for each in (then, now))
    return _row(what, then_ms, now_ms, words.milliseconds, absent=words.NOTHING)


def _read_again(batch: Batch, scenario: Scenario) -> Compared:
    known = [each.at_most for each in batch.read_again if each.cluster == "target"]
    now = sum(each for each in known if each is not None) if known and None not in known else None
    then = scenario.duplicated.get("re_read_across")
    return _row("records read again on the target", then, now, words.count)


def _lost(batch: Batch, scenario: Scenario) -> Compared:
    now = None if batch.verified is None else sum(each.missing for each in batch.verified.partitions)
    return _row("records lost (rehearsed), missing on the target (compared)", scenario.lost, now, words.count)


def _lag(batch: Batch, scenario: Scenario) -> Compared:
    now = max((point.records for point in batch.lag), default=None)
    return _row("largest mirror lag, records", scenario.worst_lag_records, now, words.count)


def _row(what: str, then: float | None, now: float | None, shown: object, absent: str = "unknown") -> Compared:
    assert callable(shown)  # noqa: S101 - one of the functions of `words`
    return Compared(
        what=what,
        rehearsed=absent if then is None else shown(then),
        happened=absent if now is None else shown(now),
        more=then is not None and now is not None and now > then and shown(now) != shown(then),
    )


def _next_to(run: Path) -> list[Path]:
    home = run.resolve().parent
    try:
        folders = sorted(entry for entry in home.iterdir() if entry.is_dir() and entry.name != run.resolve().name)
    except OSError:
        return []
    return [folder for folder in folders[:_MOST_FOLDERS] if (folder / "rehearsal.json").is_file()]


def _readable(folder: Path) -> bool:
    try:
        read_run(folder)
    except UsageError:
        return False
    return True
