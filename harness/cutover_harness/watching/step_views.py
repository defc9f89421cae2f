"""The steps of a batch with their gates, from its journal. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cutover_harness.conductor.journal import Entry
from cutover_harness.conductor.resume import remaining
from cutover_harness.cutover.progress import BatchProgress
from cutover_harness.plan.scenario import PathStep
from cutover_harness.watching.views import GateView, StepState, StepView


def step_views(entries: Sequence[Entry], path: Sequence[PathStep], progress: BatchProgress) -> tuple[StepView, ...]:
    """Return the steps of the path, and those of the way back if it was decided."""
    names = {number: str(step.step) for number, step in enumerate(path)}
    for entry in entries:
        if entry.kind == "back":
            names |= {len(path) + number: str(name) for number, name in enumerate(entry.detail["acts"])}
    left = {number for number, _ in remaining(entries, path)}
    gates = _gates(entries)
    begun = {e.step: e.time_ns / 1e9 for e in reversed(entries) if e.kind == "step"}
    done = {e.step: e.time_ns / 1e9 for e in entries if e.kind == "done"}
    approved = {
        e.step: f"{e.detail.get('by')} ({e.detail.get('how')})"
        for e in entries
        if e.kind == "answer" and e.detail.get("approved") is True
    }
    last = max(begun, default=None)
    found = []
    for number, name in names.items():
        state: StepState = "left" if number in left else "dropped"
        if number in done:
            state = "done"
        elif number == last and number in left:
            state = "in progress" if progress.running else "stopped"
            if progress.approval == name:
                state = "waits for approval"
        found.append(
            StepView(
                number + 1,
                name,
                state,
                begun.get(number),
                done.get(number),
                approved.get(number),
                tuple(gates.get(number, {}).values()),
            )
        )
    return tuple(found)


def _gates(entries: Sequence[Entry]) -> dict[int, dict[str, GateView]]:
    """Return the gates by step and name, in the order in which they were read first."""
    found: dict[int, dict[str, GateView]] = {}
    step = -1
    for entry in entries:
        if entry.kind == "step":
            step = entry.step
        at = entry.time_ns / 1e9
        if entry.kind == "waits":
            waited = float(entry.detail["elapsed_s"])
            view = GateView(
                entry.name,
                "waiting",
                str(entry.detail["waits_for"]),
                at - waited,
                waited,
                float(entry.detail["deadline_s"]),
            )
            found.setdefault(entry.step, {})[entry.name] = view
        elif entry.kind == "gate":
            since = entry.detail["from_ns"] / 1e9
            before = found.get(entry.step, {}).get(entry.name)
            view = GateView(
                entry.name,
                "passed",
                str(entry.detail["evidence"]),
                since,
                at - since,
                before.deadline_s if before is not None else None,
            )
            found.setdefault(entry.step, {})[entry.name] = view
        elif entry.kind in ("done", "doing"):  # an action that was repeated has no entry of its own when it succeeds
            mine = found.get(entry.step, {})
            for name in [name for name, gate in mine.items() if gate.state == "waiting"]:
                mine[name] = replace(mine[name], state="passed", words="done")
        elif entry.kind == "missed":
            _miss(found.setdefault(step, {}), entry, at)
    return found


def _miss(gates: dict[str, GateView], entry: Entry, at: float) -> None:
    why = str(entry.detail["why"])
    before = gates.get(entry.name)
    gates[entry.name] = (
        replace(before, state="missed", words=why)
        if before is not None
        else GateView(entry.name, "missed", why, at, 0.0)
    )
