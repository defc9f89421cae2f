"""Read-back of clients without the shim, from the clusters: members of their groups, and growth of the logs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from confluent_kafka import KafkaException

from cutover_harness.conductor.findings import ReadBack
from cutover_harness.errors import UsageError
from cutover_harness.procedure.protocols import ClusterLike
from cutover_harness.procedure.restarted import Growth, RestartedClient
from cutover_harness.procedure.state import RouteState
from cutover_harness.types import Location
from cutover_harness.waits import wait_until
from cutover_harness.words import counted

_SLOW_S = 20.0
"""How much longer than the quiet time it looks: a cluster may answer slowly, and partitions may come and go."""
Clusters = Mapping[Location, ClusterLike]


def read_back_restarted(
    clients: Sequence[RestartedClient],
    state: RouteState,
    clusters: Clusters,
    topics: Callable[[], Sequence[str]],
    quiet_s: float,
    clock: Callable[[], float] = time.monotonic,
) -> ReadBack:
    """Return whether the groups have their members where `state` says, and whether nothing is written elsewhere.

    Looks at the logs of the cluster without producers for `quiet_s` seconds.
    """
    found = ReadBack()
    try:
        for each in clients:
            if each.role == "consumer":
                _group(each, state.consumers, clusters, found)
        names = ", ".join(each.name for each in clients if each.role == "producer")
        if names:
            _producers(names, state, clusters, topics, quiet_s, clock, found)
    except (KafkaException, UsageError) as why:
        found.unknown.append(f"clients without the shim: {' '.join(str(why).split())}")
    return found


def _group(group: RestartedClient, place: Location, clusters: Clusters, found: ReadBack) -> None:
    for cluster, admin in clusters.items():
        count = len(admin.member_names(group.name))
        words = f"group {group.name} has {counted(count, 'member')} on {cluster}"
        if cluster == place:
            (found.proved if count >= (group.instances or 1) else found.wrong).append(words)
        elif count:
            found.wrong.append(words)


def _producers(
    names: str,
    state: RouteState,
    clusters: Clusters,
    topics: Callable[[], Sequence[str]],
    quiet_s: float,
    clock: Callable[[], float],
    found: ReadBack,
) -> None:
    if state.producers == "hold":
        found.unknown.append(f"{names}: producers are stopped")
        return
    other: Location = "source" if state.producers == "target" else "target"
    if state.task not in ("none", "deleted") and (other == "target" or state.reverse):
        found.unknown.append(f"{names}: the mirror writes to {other}, so its growth proves nothing")
        return
    growth = Growth(lambda: clusters[other].end_offsets(topics()), clock)
    growth.quiet_s()
    quiet = wait_until(growth.quiet_s, quiet_s + _SLOW_S, done=lambda seen: seen >= quiet_s or bool(growth.grown))
    if growth.grown:
        grown = ", ".join(f"{topic} got {counted(count, 'record')}" for topic, count in sorted(growth.grown.items()))
        found.wrong.append(f"{names}: {grown} on {other}")
    elif quiet < quiet_s:
        found.unknown.append(f"{names}: partitions on {other} came and went, or it answered slowly: run it again")
    else:
        found.proved.append(f"{names}: no record on {other} for {quiet:.0f} s")
