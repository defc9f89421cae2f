"""Checks of the connectors of a plan, and of the Connect clusters that run them. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from cutover_harness.planning.model import Mover, PlanFile, PlannedBatch
from cutover_harness.planning.paths import steps_of
from cutover_harness.planning.problems import At, PlanText, Problem
from cutover_harness.procedure.names import StepName
from cutover_harness.words import listed


def check_connectors(plan: PlanFile, text: PlanText) -> Iterable[Problem]:
    """Return the problems."""
    batches_of: dict[str, list[str]] = {}
    for number, batch in enumerate(plan.batches):
        for kind, name, mover in movers_of(batch):
            if mover.connect is None:
                continue
            if mover.connect not in plan.connect_clusters:
                if mover.connect in text.names("connect_clusters"):
                    continue  # it cannot be read, which is a problem of its own
                known = listed(list(plan.connect_clusters)) if plan.connect_clusters else "none"
                yield text.problem(
                    ("batches", number, kind, name, "connect"),
                    f"no Connect cluster is called {mover.connect}: add it to connect_clusters (there: {known})",
                )
            elif batch.name not in batches_of.setdefault(mover.connect, []):
                batches_of[mover.connect].append(batch.name)
        if any(mover.connector for mover in batch.movers) and _overlaps(batch):
            yield text.problem(
                ("batches", number, "path"),
                "overlap runs old and new members next to each other, and a connector runs once: choose another path",
            )
    yield from _clusters(plan, text, batches_of)
    yield from _twice(plan, text)


def _twice(plan: PlanFile, text: PlanText) -> Iterable[Problem]:
    """Return the connectors that two clients have. A Connect cluster may have two names, with different targets."""
    first: dict[tuple[str, str], At] = {}
    for number, batch in enumerate(plan.batches):
        for kind, name, mover in movers_of(batch):
            if mover.connector is None or mover.connect not in plan.connect_clusters:
                continue
            at: At = ("batches", number, kind, name, "connector")
            url = plan.connect_clusters[mover.connect].url.rstrip("/")
            if (before := first.setdefault((url, mover.connector), at)) != at:
                yield text.problem(
                    at,
                    f"{mover.connector} of Connect cluster {mover.connect} is that of line {text.line(before)} too: "
                    "correct it, or keep it in one place",
                )


def _clusters(plan: PlanFile, text: PlanText, batches_of: dict[str, list[str]]) -> Iterable[Problem]:
    for name, connect in plan.connect_clusters.items():
        at: At = ("connect_clusters", name)
        batches = batches_of.get(name, [])
        if connect.target is None and len(batches) > 1:
            yield text.problem(
                at,
                f"moves as a whole, and batches {listed(batches)} have its connectors: put them into one batch, or "
                "give it a target",
            )
        if plan.connect is not None and connect.url == plan.connect.url:
            yield text.problem(
                (*at, "url"), "runs the mirror, which works on the target: name the Connect cluster of the connectors"
            )


def movers_of(batch: PlannedBatch) -> Iterable[tuple[str, str, Mover]]:
    """Return the groups and producers of a batch, each with the field and the name."""
    yield from (("groups", name, mover) for name, mover in batch.groups.items())
    yield from (("producers", name, mover) for name, mover in batch.producers.items())


def without_connect(plan: PlanFile) -> list[str]:
    """Return the connectors whose Connect cluster the plan does not name."""
    return [
        str(mover.connector)
        for batch in plan.batches
        for mover in batch.movers
        if mover.connector is not None and mover.connect is None
    ]


def _overlaps(batch: PlannedBatch) -> bool:
    return any(step.step == StepName.OVERLAP_CONSUMERS for step in steps_of(batch))
