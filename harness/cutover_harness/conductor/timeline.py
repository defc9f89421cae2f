"""Time line of a journal: marks for the report, cuts for the judge. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from cutover_harness.conductor.journal import Entry
from cutover_harness.judge.model import Copied, Cut, Mark
from cutover_harness.plan.scenario import PreconditionKind
from cutover_harness.procedure.names import StepName
from cutover_harness.procedure.state import RouteState
from cutover_harness.procedure.step import Step
from cutover_harness.procedure.steps import step_of
from cutover_harness.types import Location

WAY_BACK = "way back"
"""Mark of the moment at which a path was turned back."""


@dataclass(frozen=True)
class Shown:
    """Whether a precondition of a step held when the step was done."""

    step: StepName
    what: PreconditionKind
    held: bool
    evidence: str


@dataclass(frozen=True)
class Timeline:
    """Marks and cuts of a path. `state`: where the route stood after the last step that was done."""

    state: RouteState
    marks: list[Mark]
    cuts: list[Cut]
    preconditions: list[Shown]
    copied: list[Copied]
    failure: str | None
    steps: list[StepName]


def timeline(entries: Sequence[Entry], groups: Sequence[str], route: str | None = None) -> Timeline:
    """Return the time line of a journal's entries; `route` is given if it is one of several."""
    seen = _Seen(groups, route)
    for entry in entries:
        if entry.kind == "gate":
            seen.marks.append(
                Mark(
                    entry.detail["from_ns"],
                    "gate",
                    entry.name,
                    seen.state.stage,
                    entry.detail["evidence"],
                    entry.time_ns,
                )
            )
        elif entry.kind == "doing":
            seen.pending.setdefault(entry.step, (step_of(entry.name), entry.time_ns))
        elif entry.kind == "done" and entry.step in seen.pending:
            seen.end(entry.step, entry.time_ns)
        elif entry.kind == "missed":
            seen.marks.append(
                Mark(entry.time_ns, "gate", f"missed: {entry.name}", seen.state.stage, entry.detail["why"])
            )
        elif entry.kind == "back":
            seen.marks.append(Mark(entry.time_ns, "phase", WAY_BACK, seen.state.stage, ", ".join(entry.detail["acts"])))
            for number in entry.detail.get("undone", ()):
                seen.pending.pop(number, None)
            for number in list(seen.pending):  # some of it may have happened: counted as done, as `reached` does
                seen.end(number, entry.time_ns, "begun, and not known to be done when the path was turned back")
    return Timeline(
        state=seen.state,
        marks=seen.marks if route is None else [replace(m, detail=f"{route}: {m.detail}") for m in seen.marks],
        cuts=seen.cuts,
        preconditions=[
            Shown(StepName(e.name), e.detail["what"], e.detail["held"], e.detail["evidence"])
            for e in entries
            if e.kind == "precondition"
        ],
        copied=[Copied(**each) for e in entries if e.kind == "copied" for each in e.detail["partitions"]],
        failure=next((e.detail["why"] for e in entries if e.kind == "missed"), None),
        steps=seen.steps,
    )


@dataclass
class _Seen:
    """State while the entries are read; `left`: since when, and from which cluster, clients are held."""

    groups: Sequence[str]
    route: str | None = None
    state: RouteState = field(default_factory=RouteState)
    pending: dict[int, tuple[Step, int]] = field(default_factory=dict)
    left: dict[str, tuple[int, Location]] = field(default_factory=dict)
    marks: list[Mark] = field(default_factory=list)
    cuts: list[Cut] = field(default_factory=list)
    steps: list[StepName] = field(default_factory=list)

    def end(self, number: int, to_ns: int, detail: str = "") -> None:
        """End the step of this number; `detail` is shown with it and with the stage that it leads to."""
        step, from_ns = self.pending.pop(number)
        before, self.state = self.state, step.after(self.state)
        self.steps.append(step.name)
        self.marks.append(Mark(from_ns, "step", step.name, self.state.stage, detail, to_ns))
        if self.state.stage != before.stage:
            self.marks.append(Mark(to_ns, "stage", f"stage {self.state.stage}", self.state.stage, detail or step.name))
        self._cut(step, before, from_ns, to_ns)

    def _cut(self, step: Step, before: RouteState, from_ns: int, to_ns: int) -> None:
        """Note the cuts that `step` ends: from the hold, if there was one, to the attestation on the cluster."""
        who, place = step.moves, step.destination
        if who is None or place is None:
            return
        was = before.location(who)
        if place == "hold":
            self.left[who] = (from_ns, was)
            return
        begin, cluster = self.left.pop(who, (from_ns, was))
        if who == "producers":
            self.cuts.append(Cut(begin, to_ns, "producer", None, cluster, place, self.route))
        else:
            self.cuts += [Cut(begin, to_ns, "consumer", group, cluster, place, self.route) for group in self.groups]
