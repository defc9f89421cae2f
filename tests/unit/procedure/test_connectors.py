"""Evidence for connectors that move: stopped, at the other cluster, with their offsets, and running."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from cutover_harness.procedure.connectors import (
    Connectors,
    ConnectorState,
    Kept,
    MovedConnector,
    Offset,
    differing,
    leaves,
    patch,
    prepared,
    running,
    stopped,
    works_on,
)
from cutover_harness.types import ClusterName

SINK = MovedConnector("s3", "connect-s3", "consumer", "etl", True, 60)
SOURCE = MovedConnector("crm", "crm", "producer", "etl", True, 60)
APART = MovedConnector("cdc", "cdc", "producer", "other", False, 60)
OFFSETS: list[Offset] = [({"file": "a"}, {"position": 7}), ({"file": "b"}, {"position": 9})]
STOPPED, RUNS = ConnectorState("STOPPED"), ConnectorState("RUNNING", ("RUNNING",))


class Connect:
    """Connect clusters that work on one Kafka cluster, and report the same of each connector."""

    def __init__(
        self,
        works: ClusterName = "source",
        state: ConnectorState = STOPPED,
        kept: Kept | None = None,
        offsets: Sequence[Offset] = (),
    ) -> None:
        self._works, self._state, self._kept, self._offsets = works, state, kept or Kept(), offsets

    def elsewhere(self, connector: MovedConnector, place: ClusterName) -> str | None:
        return None if place == self._works or not connector.repointed else f"works on {self._works}"

    def state(self, connector: MovedConnector, place: ClusterName) -> ConnectorState:
        return self._state

    def offsets(self, connector: MovedConnector, place: ClusterName) -> Sequence[Offset]:
        return self._offsets

    def kept(self, connector: MovedConnector) -> Kept:
        return self._kept


def connect(*arguments: Any, **options: Any) -> Any:
    return Connect(*arguments, **options)


@pytest.mark.parametrize(
    ("state", "is_open", "words"),
    [
        (STOPPED, True, "connector crm on source is STOPPED; tasks: none"),
        (RUNS, False, "connector crm on source is RUNNING; tasks: 1 RUNNING"),
        (ConnectorState("PAUSED", ("PAUSED",)), False, "PAUSED"),
        (ConnectorState("STOPPED", ("RUNNING",)), False, "STOPPED; tasks: 1 RUNNING"),
        (ConnectorState("FAILED", ("FAILED",), "no disk"), False, "no disk"),
        (ConnectorState(None), False, "is not on Connect etl: create it again, stopped"),
    ],
)
def test_a_connector_has_stopped_without_tasks(state: ConnectorState, is_open: bool, words: str) -> None:
    reading = stopped(connect(state=state), [SOURCE]).read()
    assert reading.open == is_open
    assert words in (reading.evidence if is_open else reading.waits_for)


@pytest.mark.parametrize(
    ("state", "complete", "is_open"),
    [
        (ConnectorState(None), True, True),
        (STOPPED, True, True),
        (RUNS, True, False),
        (ConnectorState(None), False, False),  # pointed to the target too early: its offsets are not known
    ],
)
def test_a_connector_whose_connect_has_left_counts_if_its_offsets_were_read(
    state: ConnectorState, complete: bool, is_open: bool
) -> None:
    kept = Kept("source", 1, complete, OFFSETS)
    assert stopped(connect("target", state, kept), [SOURCE]).read().open == is_open


def test_only_connectors_that_run_elsewhere_have_to_stop() -> None:
    assert leaves(connect("source"), SINK, "target")
    assert not leaves(connect("target"), SINK, "target")  # its Connect cluster works there already
    assert not leaves(connect("source", kept=Kept("target")), SINK, "target")  # it ran there last
    assert leaves(connect("source"), APART, "target")
    assert leaves(connect("target"), SINK, None)
    assert stopped(connect("target", RUNS), [SINK], "target").read().open


def test_a_connect_cluster_that_was_not_pointed_to_the_target_is_named() -> None:
    reading = works_on(connect("source"), [SINK, SOURCE], "target").read()
    assert not reading.open
    assert reading.waits_for == (
        "Connect etl works on source: restart its workers with the bootstrap.servers of target"
    )
    assert works_on(connect("target"), [SINK, SOURCE], "target").read().open


@pytest.mark.parametrize(
    ("state", "found", "is_open"),
    [
        (STOPPED, OFFSETS, True),
        (STOPPED, [*reversed(OFFSETS)], True),
        (STOPPED, [], False),
        (STOPPED, [OFFSETS[0], ({"file": "b"}, {"position": 8})], False),
        (STOPPED, [*OFFSETS, ({"file": "c"}, {"position": 1})], False),
        (RUNS, OFFSETS, False),
        (ConnectorState(None), OFFSETS, False),
    ],
)
def test_a_source_connector_is_prepared_with_the_very_offsets(
    state: ConnectorState, found: list[Offset], is_open: bool
) -> None:
    there = connect("target", state, Kept("source", 1, True, OFFSETS), found)
    assert prepared(there, [SOURCE], "target", carried=True).read().open == is_open


def test_offsets_that_are_not_carried_over_are_not_compared_and_the_state_still_is() -> None:
    kept = Kept("target", 1, True, OFFSETS)
    assert prepared(connect("source", STOPPED, kept), [SOURCE], "source", carried=False).read().open
    assert not prepared(connect("source", RUNS, kept), [SOURCE], "source", carried=False).read().open


def test_differences_of_offsets_are_counted_and_not_shown() -> None:
    other: list[Offset] = [({"file": "b"}, {"position": 1}), ({"file": "c"}, {"position": 1}), ({"file": "d"}, None)]
    assert differing(OFFSETS, other) == "has other offsets: of 2, 1 missing, 1 different, 1 more"
    assert differing(OFFSETS, [*OFFSETS]) is None


def test_offsets_that_are_too_many_are_removed() -> None:
    found: list[Offset] = [({"file": "b"}, {"position": 1}), ({"file": "c"}, {"position": 1})]
    assert patch(OFFSETS, found) == [*OFFSETS, ({"file": "c"}, None)]


@pytest.mark.parametrize(
    ("state", "tasks", "is_open"),
    [
        (RUNS, 1, True),
        (RUNS, 0, True),
        (RUNS, 2, False),
        (ConnectorState("RUNNING"), 0, False),
        (ConnectorState("RUNNING", ("RUNNING", "FAILED"), "boom"), 2, False),
        (ConnectorState("RUNNING", ("RUNNING", "UNASSIGNED")), 1, False),
        (STOPPED, 0, False),
        (ConnectorState(None), 0, False),
    ],
)
def test_a_connector_runs_with_as_many_tasks_as_before(state: ConnectorState, tasks: int, is_open: bool) -> None:
    assert running(connect("target", state, Kept("source", tasks)), [SOURCE], "target").read().open == is_open


def test_connectors_of_the_other_role_move_along_only_if_they_share_a_connect_cluster_that_is_pointed_elsewhere() -> (
    None
):
    every = Connectors([SINK, SOURCE, APART], connect())
    assert every.moving_along("consumer") == [SOURCE]
    assert every.moving_along("producer") == [SINK]
    apart = MovedConnector("dwh", "connect-dwh", "consumer", "other", False, 60)
    assert Connectors([apart, APART], connect()).moving_along("consumer") == []
