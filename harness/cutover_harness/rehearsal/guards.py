"""Guards: what has to have happened in a run for its verdict to prove anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cutover_harness.conductor.timeline import WAY_BACK
from cutover_harness.judge.model import Cut, Guard, Judgement, Mark, SecondSeries
from cutover_harness.plan.fault import Fault
from cutover_harness.plan.path import Act

NS = 1_000_000_000
AROUND_S = 5
"""Seconds before and after a cut within which traffic has to be seen for the cut to be mid-traffic."""


def mid_traffic(judgement: Judgement, cuts: Sequence[Cut], marks: Sequence[Mark] = ()) -> list[Guard]:
    """One guard a cut: acks or deliveries on the old cluster right before it, and on the new one right after it.

    Cuts of a way back that a missed gate began are left out: producers may have been held until that moment.
    """
    back = next((mark.time_ns for mark in marks if mark.name == WAY_BACK), None)
    return [_mid_traffic(judgement, cut) for cut in cuts if back is None or cut.time_ns_from <= back]


def groups_behind(judgement: Judgement, marks: Sequence[Mark], acts: Sequence[Act]) -> list[Guard]:
    """One guard an act and group: what was acknowledged a second before the act was not all delivered at it."""
    series = judgement.series
    out = []
    for act in acts:
        at_ns = next((mark.time_ns for mark in marks if mark.kind == "act" and mark.name == act), None)
        for group in judgement.groups:
            name = f"{group.group} was behind at {act}"
            if at_ns is None:
                out.append(Guard(name, False, "the act was not reached"))
                continue
            acked = sum(series.total("acks")[: max(0, (at_ns - NS - series.start_ns) // series.step_ns)])
            read = sum(series.total("deliveries", group.group)[: (at_ns - series.start_ns) // series.step_ns + 1])
            words = f"{acked} records acknowledged a second before, {read} delivered"
            out.append(Guard(name, acked > read, words))
    return out


def aborted(judgement: Judgement) -> Guard:
    """Some transactions were aborted, so that readers had something to leave out."""
    count = sum(log.aborted for log in judgement.logs)
    return Guard("transactions were aborted", count > 0, f"{count} records in aborted transactions")


def lag_at_cut(measured: Mapping[Act, int], acts: Sequence[Act]) -> list[Guard]:
    """One guard an act at which the path needs the mirror to lag."""
    return [
        Guard(
            name=f"mirror lagged at {act}",
            held=measured.get(act, 0) > 0,
            evidence=f"lag {measured[act]} records" if act in measured else "the act was not reached",
        )
        for act in acts
    ]


def faults_hit(faults: Sequence[Fault], proofs: Sequence[Guard]) -> list[Guard]:
    """The proofs of the faults, and one that fails for those that were never injected."""
    absent = len(faults) - len(proofs)
    if absent <= 0:
        return list(proofs)
    return [*proofs, Guard("every fault was injected", False, f"{absent} of {len(faults)} were not reached")]


def _mid_traffic(judgement: Judgement, cut: Cut) -> Guard:
    acks, whose = ("acks", None) if cut.route is None else ("route-acks", cut.route)
    kind, group = (acks, whose) if cut.role == "producer" else ("deliveries", cut.group)
    begin, end = cut.time_ns_from // 10**9, cut.time_ns_to // 10**9
    before = _count(judgement, kind, group, cut.from_cluster, begin - AROUND_S, begin)
    after = _count(judgement, kind, group, cut.to_cluster, end, end + AROUND_S)
    who = cut.group or (f"producers of {cut.route}" if cut.route else "producers")
    return Guard(
        name=f"{who} moved from {cut.from_cluster} to {cut.to_cluster} mid-traffic",
        held=before > 0 and after > 0,
        evidence=f"{before} {kind} on {cut.from_cluster} in the {AROUND_S} s before, {after} on {cut.to_cluster} after",
    )


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
