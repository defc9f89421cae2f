"""Steps with connectors: what is stopped, re-pointed and started in which order, there and back."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cutover_harness.conductor.connect_clusters import MovedConnector
from cutover_harness.procedure import connector_steps
from cutover_harness.procedure.connectors import Connectors
from cutover_harness.procedure.context import Action
from cutover_harness.procedure.gates import Gate
from cutover_harness.procedure.state import RouteState

from tests.unit.conductor.test_connect_clusters import RUNS, SINK, SOURCE, STOPPED, Fake, clusters_of, worker

__all__ = ["worker"]
BEFORE = RouteState("synchronised")
SWITCHED = RouteState("synchronised", "target")
MOVED = RouteState("synchronised", "target", "target")


@pytest.fixture
def connectors(worker: Fake, tmp_path: Path) -> Connectors:
    return Connectors([SINK, SOURCE], clusters_of(worker, tmp_path))


def context(connectors: Connectors | None, state: RouteState = BEFORE) -> Any:
    return SimpleNamespace(connectors=connectors, state=state)


def through(parts: Iterable[Gate | Action]) -> str | None:
    """Do the actions and read the gates; return what the first gate that is not open waits for."""
    for part in parts:
        if isinstance(part, Action):
            part.do()
        elif not (reading := part.read()).open:
            return reading.waits_for
    return None


def to_target(worker: Fake, connectors: Connectors) -> None:
    """Hold the consumers, and move them to the target with their worker."""
    now = context(connectors)
    assert through(connector_steps.stop(now, "consumers")) is None
    assert worker.states["source"] == {SINK.name: STOPPED, SOURCE.name: RUNS}
    assert through(connector_steps.clear(now, "consumers", "target")) is None
    assert worker.states["source"] == {SINK.name: STOPPED, SOURCE.name: STOPPED}, "it shares the worker"
    worker.works = "target"
    assert through(connector_steps.start(now, "consumers", "target", SWITCHED)) is None
    assert worker.states["target"] == {SINK.name: RUNS}, "producers are on the source still"


def test_a_worker_moves_with_the_consumers_and_its_source_connector_starts_with_the_producers(
    worker: Fake, connectors: Connectors
) -> None:
    to_target(worker, connectors)
    now = context(connectors, SWITCHED)
    assert through(connector_steps.stop(now, "producers")) is None
    assert through(connector_steps.clear(now, "producers", "target")) is None
    assert through(connector_steps.start(now, "producers", "target", MOVED)) is None
    assert worker.states["target"] == {SINK.name: RUNS, SOURCE.name: RUNS}
    assert worker.stored["target"] == worker.stored["source"]
    assert "stop s3 on target" not in worker.asked, "a sink connector that has moved is not disturbed"


def test_a_command_that_lies_opens_no_gate_and_creates_nothing(worker: Fake, connectors: Connectors) -> None:
    now = context(connectors)
    through(connector_steps.stop(now, "consumers"))
    through(connector_steps.clear(now, "consumers", "target"))
    asked = list(worker.asked)
    why = through(connector_steps.start(now, "consumers", "target", SWITCHED))
    assert why == "Connect etl works on source: restart its workers with the bootstrap.servers of target"
    assert worker.asked == asked


def test_consumers_that_come_back_bring_the_source_connector_that_only_waited(
    worker: Fake, connectors: Connectors
) -> None:
    to_target(worker, connectors)
    now = context(connectors, SWITCHED)
    assert through(connector_steps.stop(now, "consumers")) is None
    assert worker.states["target"] == {SINK.name: STOPPED}
    assert through(connector_steps.clear(now, "consumers", "source")) is None
    worker.works = "source"
    assert through(connector_steps.start(now, "consumers", "source", BEFORE)) is None
    assert worker.states["source"] == {SINK.name: RUNS, SOURCE.name: RUNS}
    assert "patch crm/eu on source" not in worker.asked


@pytest.mark.parametrize(("reverse", "row"), [(True, 9), (False, 7)])
def test_producers_that_come_back_take_the_worker_and_hold_the_sink_connector(
    worker: Fake, connectors: Connectors, reverse: bool, row: int
) -> None:
    to_target(worker, connectors)
    through(connector_steps.start(context(connectors, SWITCHED), "producers", "target", MOVED))
    worker.stored["target"] = [({"table": "a"}, {"row": 9})]
    now = context(connectors, RouteState("synchronised", "target", "target", reverse=reverse))
    assert through(connector_steps.stop(now, "producers")) is None
    assert worker.states["target"] == {SINK.name: RUNS, SOURCE.name: STOPPED}
    assert through(connector_steps.clear(now, "producers", "source")) is None
    assert worker.states["target"] == {SINK.name: STOPPED, SOURCE.name: STOPPED}
    worker.works = "source"
    assert through(connector_steps.start(now, "producers", "source", SWITCHED)) is None
    assert worker.states["source"] == {SINK.name: STOPPED, SOURCE.name: RUNS}
    assert worker.stored["source"] == [({"table": "a"}, {"row": row})]
    later = context(connectors, SWITCHED)
    assert through(connector_steps.stop(later, "consumers")) is None
    assert through(connector_steps.clear(later, "consumers", "source")) is None
    assert through(connector_steps.start(later, "consumers", "source", BEFORE)) is None
    assert worker.states["source"] == {SINK.name: RUNS, SOURCE.name: RUNS}


def test_a_conductor_that_was_killed_at_any_moment_ends_with_the_same(worker: Fake, connectors: Connectors) -> None:
    now = context(connectors)
    through(connector_steps.stop(now, "consumers"))
    through(connector_steps.clear(now, "consumers", "target"))
    worker.works = "target"
    parts = len(list(connector_steps.start(now, "consumers", "target", SWITCHED)))
    for done in range(parts + 1):
        # The next process begins again: from the stop before the command, as the worker may have moved since.
        assert through(connector_steps.clear(now, "consumers", "target")) is None
        through(list(connector_steps.start(now, "consumers", "target", SWITCHED))[:done])
    assert worker.states["target"] == {SINK.name: RUNS}
    assert [each for each in worker.asked if each.startswith("resume")] == ["resume s3 on target"]


def test_another_connect_cluster_takes_over_without_the_source_connectors_of_the_first(tmp_path: Path) -> None:
    sink = MovedConnector("s3", "connect-s3", "consumer", "etl", False, 60)
    old, new = Fake(), Fake()
    new.works = "target"
    old.states["source"][sink.name] = RUNS
    old.configs["source"][sink.name] = {"a": "b"}
    clusters = clusters_of(old, tmp_path)
    clusters._clients["etl", "target"] = new  # type: ignore[assignment]
    now = context(Connectors([sink], clusters))
    assert through(connector_steps.clear(now, "consumers", "target")) is None  # also without a hold before
    assert through(connector_steps.start(now, "consumers", "target", SWITCHED)) is None
    assert old.states["source"] == {sink.name: STOPPED}
    assert new.states["target"] == {sink.name: RUNS}


def test_nothing_is_done_without_connectors() -> None:
    now = context(None)
    assert list(connector_steps.stop(now, "consumers")) == []
    assert list(connector_steps.clear(now, "consumers", "target")) == []
    assert list(connector_steps.start(now, "consumers", "target", SWITCHED)) == []
