"""From the folder of a run to its report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cutover_harness.conductor.journal import Entry
from cutover_harness.conductor.resume import reached, turned_back
from cutover_harness.conductor.verification import NAME as VERIFIED
from cutover_harness.cutover.audit_entries import line_of
from cutover_harness.cutover.batches import progress_of, refuse_edited
from cutover_harness.errors import UsageError
from cutover_harness.locks import FileLock, HeldError
from cutover_harness.procedure.names import StepName
from cutover_harness.procedure.state import STAGES
from cutover_harness.words import counted

from cutover_reports.performed import audit, figures, proof, rehearsed, verdict
from cutover_reports.performed.model import Batch, CutoverReport, Plan, State
from cutover_reports.performed.reading import BatchFolder, RunRead, read_run
from cutover_reports.performed.steps import steps_of
from cutover_reports.performed.times import of_ns
from cutover_reports.plans import SHOWN


def build(folder: Path, rehearsal: Path | None = None) -> CutoverReport:
    """Read the folder of a run and build its report. Raises UsageError if `rehearsal` is no folder of a rehearsal."""
    run = read_run(folder)
    missing, notes = [*run.missing, *_plan_problems(run)], _notes(run)
    batches = [_batch(batch, run) for batch in run.batches]
    earlier = [_batch(batch, run) for batch in run.earlier]
    hashes = [each.plan for each in batches if each.plan is not None]
    if run.plan is not None:
        hashes.append(run.plan.digest)
    found = rehearsed.find(folder, rehearsal, hashes)
    batches = [_with_rehearsal(batch, found) for batch in batches]
    word, headline = verdict.overall(batches, missing)
    return CutoverReport(
        verdict=word,
        headline=headline,
        folder=folder.resolve().name,
        plan=None if run.plan is None else Plan(name=run.plan.plan.name, sha256=run.plan.digest),
        begun=str(run.lines[0]["at"]) if run.lines else None,
        ended=str(run.lines[-1]["at"]) if run.lines else None,
        batches=batches,
        earlier=earlier,
        rehearsals=found.named,
        people=audit.people(run.lines),
        missing=[*missing, *(f"{each.name}: {line}" for each in batches for line in each.missing)],
        notes=[*notes, *found.missing],
    )


def _batch(batch: BatchFolder, run: RunRead) -> Batch:
    """Return a batch; without any of its figures if its records have values that no run writes."""
    try:
        return _figures(batch, run)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError) as why:
        what = f"its records cannot be used ({type(why).__name__}: {' '.join(str(why).split())})"
        plain = BatchFolder(batch.name, batch.attempt, begun=batch.begun, missing=[*batch.missing, what])
        return _figures(plain, run)


def _figures(batch: BatchFolder, run: RunRead) -> Batch:
    plan = audit.plan_of(batch.lines)
    running = _runs(batch)
    entries, config = batch.entries, batch.config
    missing = [*batch.missing, *_contradictions(batch, run, plan, running=running)]
    steps = [] if config is None else steps_of(entries, config.steps, batch.lines, running=running)
    result = None if batch.verification is None or config is None else proof.verified(batch.verification, config)
    found = Batch(
        name=batch.name,
        attempt=batch.attempt,
        state="not begun",
        reasons=[],
        plan=plan,
        stage=None,
        stage_name=None,
        producers=None,
        consumers=None,
        begun=of_ns(entries[0].time_ns) if entries else None,
        ended=of_ns(entries[-1].time_ns) if entries else None,
        steps=steps,
        blackouts=[] if config is None else figures.blackouts(entries, config, steps),
        read_again=figures.read_again(entries, batch.snapshots, batch.verification),
        lag=figures.lag(entries),
        verified=result,
        read_back=proof.read_back(batch.lines),
        going_back=audit.going_back(batch.lines, entries) if batch.begun else None,
        bypass=audit.bypasses(batch.lines, entries),
        beside=None,
        not_beside=None,
        missing=missing,
        notes=_not_recorded(entries),
    )
    state, reasons = _state(batch, found, run, running=running)
    at = reached(entries)
    where = {"stage": at.stage, "stage_name": STAGES[at.stage], "producers": at.producers, "consumers": at.consumers}
    return found.model_copy(update={"state": state, "reasons": reasons, **(where if entries else {})})


def _state(batch: BatchFolder, found: Batch, run: RunRead, *, running: bool) -> tuple[State, list[str]]:
    if found.missing:
        return "inconclusive", found.missing
    if batch.config is None:
        return "not begun", []
    match progress_of(batch.entries, batch.config):
        case "completed":
            if batch.attempt is None and (planned := _planned_since(batch, run)) is not None:
                return "complete, not verified", [planned]
            passed = any(entry.kind == "gate" and entry.name == VERIFIED for entry in batch.entries)
            return verdict.completed(found.verified, found.read_back, gate_passed=passed)
        case "back on the source":
            return verdict.rolled_back(found.read_back)
        case _:
            return "unfinished", [*verdict.unfinished(found.steps, running=running), *audit.lost_lease(batch.lines)]


def _planned_since(batch: BatchFolder, run: RunRead) -> str | None:
    """Return, in words, what the plan has in a batch now and had not when it moved: it may be edited since."""
    plans = [] if run.plan is None else run.plan.plan.batches
    planned = next((each for each in plans if each.name == batch.name), None)
    if planned is None or batch.config is None:
        return None
    wrong = [
        name
        for name in ("topics", "exclude", "groups")
        if sorted(getattr(planned, name)) != sorted(getattr(batch.config, name))
    ]
    if not wrong:
        return None
    return (
        f"plan.yaml: {', '.join(wrong)}: not as in the plan with which the batch was moved: what differs was not moved"
    )


def _contradictions(batch: BatchFolder, run: RunRead, plan: str | None, *, running: bool) -> list[str]:
    """Return what the files of a batch say against each other."""
    if batch.config is None:
        return []
    found: list[str] = []
    entries = batch.entries
    if not entries and not batch.missing and any("entry" in line or "gate" in line for line in batch.lines):
        found.append("journal.sqlite: is not there, and the audit log shows that its conductor has worked")
    if run.plan is not None and plan == run.plan.digest and batch.attempt is None:
        planned = next((each for each in run.plan.plan.batches if each.name == batch.name), None)
        try:
            if planned is not None:
                refuse_edited(batch.config, run.plan.plan, planned, Path(batch.name))
        except UsageError as why:
            found.append(str(why).partition(": restore")[0])
    lacking = _without_line(batch)
    ended = bool(entries) and entries[-1].kind == "end"
    if lacking and ended and not running:
        found.append(f"audit.jsonl: lacks {counted(lacking, 'line')} of its journal")
    if not turned_back(entries):
        other = proof.not_the_gates(batch.verification, entries, batch.name, plan)
        found += [] if other is None else [other]
    return found


def _not_recorded(entries: Sequence[Entry]) -> list[str]:
    """Return what an earlier version did not keep."""
    moved = any(entry.kind == "done" and entry.name == StepName.CONSUMERS_TO_TARGET for entry in entries)
    kept = {str(entry.kind) for entry in entries}
    if not moved or "resumes" in kept:
        return []
    return ["offsets from which groups resumed were not recorded, so what was read again is not known"]


def _without_line(batch: BatchFolder) -> int:
    """Return how many entries of the journal should have a line in the audit log and have none.

    0 if an earlier version has written the log, in which lines have no numbers of entries.
    """
    written = {line["entry"] for line in batch.lines if isinstance(line.get("entry"), int)}
    if not written:
        return 0
    seen: list[Entry] = []
    lacking = 0
    for entry in batch.entries:
        seen.append(entry)
        lacking += line_of(entry, seen) is not None and entry.id not in written
    return lacking


def _plan_problems(run: RunRead) -> list[str]:
    """Return whether the plan in the run's folder is the one that the audit log names."""
    last = audit.plan_of(run.lines)
    if run.plan is None or last is None or run.plan.digest == last:
        return []
    mine, theirs = run.plan.digest[:SHOWN], last[:SHOWN]
    why = f"has SHA-256 {mine}, and the audit log names {theirs}: it was edited, or is that of another run"
    return [f"plan.yaml: {why}"]


def _notes(run: RunRead) -> list[str]:
    found = []
    if run.torn:
        found.append(
            f"audit.jsonl: {counted(run.torn, 'torn line')}, as by a full disk; the journals have what was recorded"
        )
    for suffix in (".yaml", ".yml"):
        plan = run.folder.absolute().with_suffix(suffix)
        try:
            if run.plan is not None and plan.is_file() and plan.read_bytes() != run.plan.path.read_bytes():
                found.append(f"{plan.name}: has changed since a batch began last; the report is about the run's copy")
        except OSError:
            continue
    return found


def _with_rehearsal(batch: Batch, found: rehearsed.Rehearsed) -> Batch:
    if batch.plan is None or not batch.steps:
        return batch
    scenario = found.scenarios.get((batch.name, batch.plan))
    if scenario is not None:
        return batch.model_copy(update={"beside": rehearsed.beside(batch, scenario)})
    other = [f"{each.folder} is {each.note}" for each in found.named if each.plan != batch.plan]
    why = "; ".join(other) or "no rehearsal of its plan was given, and none is next to the run's folder"
    if any(each.plan == batch.plan for each in found.named):
        why = "the rehearsal of its plan has no switchover of this batch alone that could be read"
    return batch.model_copy(update={"not_beside": why})


def _runs(batch: BatchFolder) -> bool:
    if batch.config is None:
        return False
    try:
        FileLock.probe(batch.config.lock)
    except HeldError:
        return True
    return False
