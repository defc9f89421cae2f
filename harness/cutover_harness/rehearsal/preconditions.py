"""Preconditions: without these events in a run its verdict proves nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cutover_harness.conductor.timeline import WAY_BACK, Shown
from cutover_harness.faults.base import Fault
from cutover_harness.judge.model import Cut, Judgement, Mark, Precondition, SecondSeries
from cutover_harness.plan.scenario import PreconditionKind
from cutover_harness.procedure.names import StepName
from cutover_harness.words import counted

NS = 1_000_000_000
_EVER = 2**63 - 1


def mid_traffic(
    judgement: Judgement, cuts: Sequence[Cut], marks: Sequence[Mark] = (), *, around_s: float
) -> list[Precondition]:
    """Acks or deliveries on the old cluster in the `around_s` before each cut, and on the new one after it.

    "After" lasts until the same clients leave that cluster, or until the end; blackouts measure how long they took. A
    group whose producers have left its cluster for another one has nothing to read any more, so "before" then means
    before they left. Cuts of a way back that a missed gate began are left out: producers may have been held until that
    moment.
    """
    back = next((mark.time_ns for mark in marks if mark.name == WAY_BACK), None)
    return [_mid_traffic(judgement, cut, cuts, around_s) for cut in cuts if back is None or cut.time_ns_from <= back]


def groups_behind(judgement: Judgement, marks: Sequence[Mark], steps: Sequence[StepName]) -> list[Precondition]:
    """For each step and group: not all that was acknowledged a second before the step was delivered at its start."""
    series = judgement.series
    out = []
    for step in steps:
        at_ns = next((mark.time_ns for mark in marks if mark.kind == "step" and mark.name == step), None)
        for group in judgement.groups:
            name = f"{group.group} was behind at {step}"
            if at_ns is None:
                out.append(Precondition(name, False, "the step was not reached"))
                continue
            acked = sum(series.total("acks")[: max(0, (at_ns - NS - series.start_ns) // series.step_ns)])
            read = sum(series.total("deliveries", group.group)[: (at_ns - series.start_ns) // series.step_ns + 1])
            words = f"{counted(acked, 'record')} acknowledged a second before, {read} delivered"
            out.append(Precondition(name, acked > read, words))
    return out


def aborted(judgement: Judgement) -> Precondition:
    """Some transactions were aborted, so that readers had records to skip."""
    count = sum(log.aborted for log in judgement.logs)
    return Precondition("transactions were aborted", count > 0, f"{counted(count, 'record')} in aborted transactions")


_NAMES: Mapping[PreconditionKind, str] = {
    "lag": "mirror lagged at {}",
    "ahead": "groups had read what was not mirrored at {}",
    "read": "groups had read all of the source at {}",
}


def awaited(shown: Sequence[Shown], wanted: Mapping[PreconditionKind, Sequence[StepName]]) -> list[Precondition]:
    """Preconditions that steps wait for, from what the conductor saw right before each.

    Whether groups are behind follows from the ledgers, more exactly: see `groups_behind`.
    """
    found = {(each.step, each.what): each for each in shown}
    preconditions = []
    for what, name in _NAMES.items():
        for step in wanted.get(what, ()):
            each = found.get((step, what))
            evidence = "the step was not reached" if each is None else each.evidence
            preconditions.append(Precondition(name.format(step), each is not None and each.held, evidence))
    return preconditions


def faults_hit(faults: Sequence[Fault], proofs: Sequence[Precondition]) -> list[Precondition]:
    """The proofs of the faults, and one that fails for those that were never injected."""
    absent = len(faults) - len(proofs)
    if absent <= 0:
        return list(proofs)
    return [*proofs, Precondition("every fault was injected", False, f"{absent} of {len(faults)} were not reached")]


def _mid_traffic(judgement: Judgement, cut: Cut, cuts: Sequence[Cut], around_s: float) -> Precondition:
    acks, whose = ("acks", None) if cut.route is None else ("route-acks", cut.route)
    kind, group = (acks, whose) if cut.role == "producer" else ("deliveries", cut.group)
    left_ns = _had_traffic_until(cut, cuts)
    leaves = [
        other.time_ns_from
        for other in cuts
        if (other.role, other.group, other.route) == (cut.role, cut.group, cut.route)
        and other.time_ns_from >= cut.time_ns_to
    ]
    first, last = (left_ns - round(around_s * NS)) // NS, cut.time_ns_from // NS
    before = _count(judgement, kind, group, cut.from_cluster, first, last)
    after = _count(judgement, kind, group, cut.to_cluster, cut.time_ns_to // NS, min(leaves, default=_EVER) // NS)
    who = cut.group or (f"producers of {cut.route}" if cut.route else "producers")
    since = f"{around_s:.0f} s before" + ("" if left_ns == cut.time_ns_from else " producers left")
    return Precondition(
        name=f"{who} moved from {cut.from_cluster} to {cut.to_cluster} mid-traffic",
        held=before > 0 and after > 0,
        evidence=f"{before} {kind} on {cut.from_cluster} in the {since}, {after} on {cut.to_cluster} after",
    )


def _had_traffic_until(cut: Cut, cuts: Sequence[Cut]) -> int:
    """Return when producers left the cluster that a group leaves with `cut`, if they did so before the group."""
    if cut.role == "producer":
        return cut.time_ns_from
    moves = [c for c in cuts if c.role == "producer" and c.route == cut.route and c.time_ns_from <= cut.time_ns_from]
    latest = max(moves, key=lambda move: move.time_ns_from, default=None)
    left = latest is not None and latest.from_cluster == cut.from_cluster != latest.to_cluster
    return latest.time_ns_from if left and latest is not None else cut.time_ns_from


def _count(judgement: Judgement, kind: str, group: str | None, cluster: str, first_s: int, last_s: int) -> int:
    """Return the events of one kind in the whole seconds `first_s` to `last_s` (epoch, both included)."""
    start = judgement.series.start_ns // 10**9
    return sum(
        sum(_slice(series, first_s - start, last_s - start))
        for series in judgement.series.seconds
        if series.kind == kind and series.group == group and series.cluster == cluster
    )


def _slice(series: SecondSeries, first: int, last: int) -> list[int]:
    return series.values[max(first, 0) : max(last + 1, 0)]
