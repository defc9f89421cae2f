"""Series over the run, blackouts around each cut, and the time until the rate returned."""

from collections.abc import Iterable, Mapping
from functools import reduce
from typing import Literal

import numpy as np

from cutover_harness.judge.activity import Activity, Source, bucket_width, merge_activity
from cutover_harness.judge.model import Blackout, Cut, SecondSeries, Series
from cutover_harness.ledger.columns import Array, Mask
from cutover_harness.ledger.format import CLUSTER_NAMES

_SECOND = 1_000_000_000
#: A switch has effects after its last step too: a group joins, a batch fills.
GRACE_NS = 5 * _SECOND
_BEFORE_NS = 10 * _SECOND
_BACK = 0.9


def series(activity: Mapping[Source, Activity]) -> Series:
    """Return acks of the fleet and of each route, and deliveries of each group, per second over the same span."""
    if not activity:
        return Series()
    low = min(int(a.first.min()) for a in activity.values())
    high = max(int(a.last.max()) for a in activity.values())
    # Over all together, which may span more than any of them.
    step = bucket_width(low, high, max(_SECOND, *(a.width_ns for a in activity.values())))
    start = low // step
    steps = high // step - start + 1
    found = []
    for kind, group, cluster in sorted({_series_of(source) for source in activity}):
        its = [a for source, a in activity.items() if _series_of(source) == (kind, group, cluster)]
        values = np.sum(np.array([a.per_step(start * step, steps, step) for a in its]), axis=0).tolist()
        found.append(SecondSeries(kind, group or None, CLUSTER_NAMES[cluster], values))
    return Series(start * step, step, found)


def _series_of(source: Source) -> tuple[Literal["acks", "route-acks", "deliveries"], str, int]:
    return source.kind, source.who if source.kind == "deliveries" else source.route, source.cluster


def _concerns(cut: Cut, source: Source) -> bool:
    """Whether events of `source` are those that stop while `cut` lasts."""
    if cut.role == "consumer":
        return source.kind == "deliveries" and source.who == cut.group
    return source.kind == ("acks" if cut.route is None else "route-acks") and source.route == (cut.route or "")


def blackouts(activity: Mapping[Source, Activity], cuts: Iterable[Cut]) -> list[Blackout]:
    """Return for each cut how long nothing came, against the normal rhythm, and when the rate was back."""
    known = list(cuts)
    return [_blackout(activity, cut, known) for cut in known]


def _blackout(activity: Mapping[Source, Activity], cut: Cut, cuts: list[Cut]) -> Blackout:
    parts = {(of.who, of.cluster): a for of, a in activity.items() if _concerns(cut, of)}
    longest, begin, end = _longest(_merged(parts.values()), cut)
    worst: tuple[float, str] | None = None
    if cut.role == "producer":
        by_instance = {who: _merged(a for (w, _), a in parts.items() if w == who) for who, _ in parts}
        gaps = [(gap, who) for who, a in by_instance.items() if (gap := _longest(a, cut)[0]) is not None]
        worst = max(gaps, default=None)
    return Blackout(
        role=cut.role,
        group=cut.group,
        from_cluster=cut.from_cluster,
        to_cluster=cut.to_cluster,
        time_ns_from=cut.time_ns_from,
        time_ns_to=cut.time_ns_to,
        route=cut.route,
        longest_ms=longest,
        gap_from_ns=begin,
        gap_to_ns=end,
        normal_ms=_normal(_merged(parts.values()), [c for c in cuts if c.route == cut.route]),
        worst_instance=worst[1] if worst else None,
        worst_instance_ms=worst[0] if worst else None,
        recovery_ms=_recovery(_merged(parts.values()), cut),
    )


def _merged(parts: Iterable[Activity]) -> Activity | None:
    nothing: Activity | None = None
    return reduce(merge_activity, parts, nothing)


def _longest(activity: Activity | None, cut: Cut) -> tuple[float | None, int | None, int | None]:
    if activity is None:
        return None, None, None
    begin, end = activity.gaps()
    near = (end > cut.time_ns_from) & (begin < cut.time_ns_to + GRACE_NS)
    if not near.any():
        return None, None, None
    longest = np.flatnonzero(near)[np.argmax((end - begin)[near])]
    return float(end[longest] - begin[longest]) / 1e6, int(begin[longest]), int(end[longest])


def _normal(activity: Activity | None, cuts: Iterable[Cut]) -> float | None:
    """Return the 99th percentile of times between events outside the cuts; inside a bucket they are taken as even."""
    if activity is None:
        return None
    begin, end = activity.gaps()
    filled = activity.filled
    first, last, inside = activity.first[filled], activity.last[filled], activity.count[filled] - 1
    gaps = np.concatenate([end - begin, (last - first) / np.maximum(inside, 1)])
    weights = np.concatenate([np.ones(len(begin), np.int64), inside])
    calm = ~_touched(np.concatenate([begin, first]), np.concatenate([end, last]), cuts) & (weights > 0)
    if not calm.any():
        return None
    order = np.argsort(gaps[calm])
    total = np.cumsum(weights[calm][order])
    return float(gaps[calm][order][np.searchsorted(total, 0.99 * total[-1])]) / 1e6


def _touched(begin: Array, end: Array, cuts: Iterable[Cut]) -> Mask:
    touched = np.zeros(len(begin), np.bool_)
    for cut in cuts:
        touched |= (end > cut.time_ns_from) & (begin < cut.time_ns_to + GRACE_NS)
    return touched


def _recovery(activity: Activity | None, cut: Cut) -> float | None:
    if activity is None:
        return None
    since = max(cut.time_ns_from - _BEFORE_NS, int(activity.first.min()))
    seconds = (cut.time_ns_from - since) / _SECOND
    if seconds < 1:
        return None
    needed = _BACK * float(activity.count_between(np.array([since]), np.array([cut.time_ns_from]))[0]) / seconds
    if needed <= 0:
        return None
    starts = activity.first[activity.filled]
    starts = np.concatenate([[cut.time_ns_to], starts[starts >= cut.time_ns_to]])
    back = activity.count_between(starts, starts + _SECOND) >= needed
    return float(starts[back.argmax()] - cut.time_ns_to) / 1e6 if back.any() else None
