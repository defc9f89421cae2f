"""Checks of a plan alone: names that are in two places, and the order of batches. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import networkx

from cutover_harness.planning.batches import cycle_in
from cutover_harness.planning.model import Mover, PlanFile, PlannedBatch
from cutover_harness.planning.problems import At, PlanText, Problem
from cutover_harness.words import listed


def check_names(plan: PlanFile, text: PlanText) -> Iterable[Problem]:
    """Return the problems."""
    batches = list(enumerate(plan.batches))
    yield from _twice(text, "batch", ((("batches", n, "name"), batch.name) for n, batch in batches))
    topics: list[tuple[At, str]] = [
        (("batches", n, "topics", m), each) for n, batch in batches for m, each in enumerate(batch.topics)
    ]
    topics += [(("stays", n), each) for n, each in enumerate(plan.stays)]
    yield from _twice(text, "topic", topics)
    groups: list[tuple[At, str]] = [(("batches", n, "groups", each), each) for n, b in batches for each in b.groups]
    yield from _twice(
        text, "group", [*groups, *((("stays_groups", n), each) for n, each in enumerate(plan.stays_groups))]
    )
    yield from _twice(
        text, "producer", ((("batches", n, "producers", each), each) for n, b in batches for each in b.producers)
    )
    yield from _order(plan, text)
    for number, batch in batches:
        left = [f"{kind} {name} ({mover.moves})" for kind, name, mover in _movers(batch) if mover.moves != "shim"]
        if batch.path == "in-process" and left:
            yield text.problem(
                ("batches", number, "path"),
                f"in-process needs the shim in every client; without it: {listed(left)}: choose restart, stop-first or "
                "a list of steps, or give them the shim",
            )


def _movers(batch: PlannedBatch) -> Iterable[tuple[str, str, Mover]]:
    for kind, movers in (("group", batch.groups), ("producer", batch.producers)):
        for name, mover in movers.items():
            yield kind, name, mover


def _twice(text: PlanText, what: str, places: Iterable[tuple[At, str]]) -> Iterable[Problem]:
    first: dict[str, At] = {}
    for at, name in places:
        before = first.setdefault(name, at)
        if before != at:
            yield text.problem(at, f"{what} {name} is in line {text.line(before)} too: keep it in one place")


def _order(plan: PlanFile, text: PlanText) -> Iterable[Problem]:
    row = {batch.name: number for number, batch in enumerate(plan.batches)}
    graph = networkx.DiGraph()
    for number, batch in enumerate(plan.batches):
        for earlier in batch.after:
            at = ("batches", number, "after")
            if earlier not in row:
                if earlier not in text.names("batches"):  # one that cannot be read has a problem of its own
                    yield text.problem(at, f"no batch is called {earlier}: correct it")
            else:
                graph.add_edge(earlier, batch.name)
    if (cycle := cycle_in(graph)) is not None:
        yield text.problem(
            ("batches", row[cycle[0]], "after"), f"{' after '.join(cycle)}: a cycle has no order: remove one"
        )
        return
    for earlier, later in graph.edges:
        if row[earlier] > row[later]:
            line = text.line(("batches", row[earlier]))
            yield text.problem(
                ("batches", row[later], "after"), f"{earlier} comes later, in line {line}: move {later} behind it"
            )
