"""From the journal to the time line: marks for the report, cuts for the judge. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from cutover_harness.conductor.journal import Entry
from cutover_harness.judge.model import Copied, Cut, Mark
from cutover_harness.plan.path import Act, Place, RouteState, destination, moves
from cutover_harness.plan.scenario import Precondition

WAY_BACK = "way back"
"""The mark of the moment at which a path was turned back."""


@dataclass(frozen=True)
class Shown:
    """Whether a precondition of an act was there when the act was carried out."""

    act: Act
    what: Precondition
    held: bool
    evidence: str


@dataclass(frozen=True)
class Timeline:
    """What happened when. `state`: where the route stood at the last act that was done."""

    state: RouteState
    marks: list[Mark]
    cuts: list[Cut]
    preconditions: list[Shown]
    copied: list[Copied]
    failure: str | None
    walked: list[Act]


def timeline(entries: Sequence[Entry], groups: Sequence[str], route: str | None = None) -> Timeline:
    """Return the time line that a journal's entries tell; `route` is given where it is one of several."""
    walk = _Walk(groups, route)
    for entry in entries:
        if entry.kind == "gate":
            walk.marks.append(
                Mark(
                    entry.detail["from_ns"],
                    "gate",
                    entry.name,
                    walk.state.stage,
                    entry.detail["evidence"],
                    entry.time_ns,
                )
            )
        elif entry.kind == "doing":
            walk.pending.setdefault(entry.step, (Act(entry.name), entry.time_ns))
        elif entry.kind == "done" and entry.step in walk.pending:
            walk.end(entry.step, entry.time_ns)
        elif entry.kind == "missed":
            walk.marks.append(
                Mark(entry.time_ns, "gate", f"missed: {entry.name}", walk.state.stage, entry.detail["why"])
            )
        elif entry.kind == "back":
            walk.marks.append(Mark(entry.time_ns, "phase", WAY_BACK, walk.state.stage, ", ".join(entry.detail["acts"])))
            for step in list(walk.pending):  # some of it may have happened: counted as done, as `reached` does
                walk.end(step, entry.time_ns)
    return Timeline(
        state=walk.state,
        marks=walk.marks if route is None else [replace(m, detail=f"{route}: {m.detail}") for m in walk.marks],
        cuts=walk.cuts,
        preconditions=[
            Shown(Act(e.name), e.detail["what"], e.detail["held"], e.detail["evidence"])
            for e in entries
            if e.kind == "precondition"
        ],
        copied=[Copied(**each) for e in entries if e.kind == "copied" for each in e.detail["partitions"]],
        failure=next((e.detail["why"] for e in entries if e.kind == "missed"), None),
        walked=walk.walked,
    )


@dataclass
class _Walk:
    """The state while the entries are gone through; `left` is since when and from where clients are held."""

    groups: Sequence[str]
    route: str | None = None
    state: RouteState = field(default_factory=RouteState)
    pending: dict[int, tuple[Act, int]] = field(default_factory=dict)
    left: dict[str, tuple[int, Place]] = field(default_factory=dict)
    marks: list[Mark] = field(default_factory=list)
    cuts: list[Cut] = field(default_factory=list)
    walked: list[Act] = field(default_factory=list)

    def end(self, step: int, to_ns: int) -> None:
        """End the act of `step`."""
        act, from_ns = self.pending.pop(step)
        before, self.state = self.state, self.state.after(act)
        self.walked.append(act)
        self.marks.append(Mark(from_ns, "act", act, self.state.stage, "", to_ns))
        if self.state.stage != before.stage:
            self.marks.append(Mark(to_ns, "stage", f"stage {self.state.stage}", self.state.stage, act))
        self._cut(act, before, from_ns, to_ns)

    def _cut(self, act: Act, before: RouteState, from_ns: int, to_ns: int) -> None:
        """Note the cuts that `act` ends: from the hold, where there was one, to the attestation on the cluster."""
        who = moves(act)
        if who is None:
            return
        place = destination(act)
        was: Place = before.consumers if who == "consumers" else before.producers
        if place == "hold":
            self.left[who] = (from_ns, was)
            return
        begin, cluster = self.left.pop(who, (from_ns, was))
        if who == "producers":
            self.cuts.append(Cut(begin, to_ns, "producer", None, cluster, place, self.route))
        else:
            self.cuts += [Cut(begin, to_ns, "consumer", group, cluster, place, self.route) for group in self.groups]
