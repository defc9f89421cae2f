"""The watch for bypasses of a conductor's route, on connections of its own."""

from __future__ import annotations

from functools import partial

from cutover_harness.admin import Admin
from cutover_harness.conductor.bypass_look import CopiesLike
from cutover_harness.conductor.bypass_records import Side
from cutover_harness.conductor.bypass_watch import BypassWatch
from cutover_harness.conductor.config import ConductorConfig
from cutover_harness.procedure.context import RouteClients
from cutover_harness.types import ClusterName

_ANSWER_S = 5.0


def bypass_watch(config: ConductorConfig, document: str, route: RouteClients, mirror: CopiesLike) -> BypassWatch:
    """Return the watch, which does not run yet. document: of the cutover file."""
    names: tuple[ClusterName, ...] = ("source", "target")
    sides = {
        name: Side(name, properties, Admin(properties, timeout_s=_ANSWER_S))
        for name, properties in zip(names, config.clusters(document), strict=True)
    }
    admin, mirrors = sides["source"].admin, config.batch.mirrors
    return BypassWatch(
        journal=config.journal,
        route=route,
        statuses=partial(config.open_statuses, document),
        sides=sides,
        copies=mirror,
        topics=lambda: [topic for topic in admin.partitions() if mirrors(topic)],
        quiet_s=config.gates.quiet_s,
        accepts=config.accept_bypass,
    )
