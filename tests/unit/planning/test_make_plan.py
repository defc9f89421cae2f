"""Plans from inventories: batches, their order, who moves how, what stays, and that a plan is read as it was made."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cutover_harness.errors import UsageError
from cutover_harness.inventory.model import ConnectCluster, Connector, Listing
from cutover_harness.planning.make import Made, Wanted, make_plan, topics_in
from cutover_harness.planning.model import ListedBy, PlannedBatch
from cutover_harness.planning.read import read_plan
from cutover_harness.planning.render import text_of
from cutover_harness.planning.systems import Systems, guess_systems
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.unit.planning.listings import (
    CREATED,
    group,
    listing,
    producer,
    shim_consumer,
    shim_producer,
    topic,
    topics_of,
)

LISTED = ListedBy(file="inventory.json", sha256="0" * 64)
GONE = "when their members left is not known"


def made(found: Listing, systems: dict[str, Any] | None = None, **wanted: Any) -> Made:
    mapping = None if systems is None else Systems.model_validate(systems)
    return make_plan(found, LISTED, mapping, Wanted(**wanted))


def batch_of(plan: Made, name: str) -> PlannedBatch:
    return next(batch for batch in plan.plan.batches if batch.name == name)


def test_batches_are_business_systems_and_the_quiet_ones_move_first() -> None:
    found = listing(
        [
            topic("busy.a", grown=9, grown_per_s=3.0),
            topic("quiet.a", grown=1, grown_per_s=0.1),
            topic("offline.a"),
            topic("read.a"),
        ],
        [group("reader", ["read.a"], ["c"])],
    )
    assert [batch.name for batch in made(found).plan.batches] == ["offline", "read", "quiet", "busy"]
    first = {"systems": {name: {"topics": [f"{name}.*"]} for name in ("offline", "read", "quiet", "busy")}}
    first["systems"]["busy"]["order"] = 1  # type: ignore[assignment]
    first["systems"]["offline"]["after"] = ["quiet"]
    plan = made(found, first)
    assert [batch.name for batch in plan.plan.batches] == ["busy", "read", "quiet", "offline"]
    assert batch_of(plan, "offline").after == ("quiet",)
    assert plan.comments["batches", "read", "name"] == "Order: members, and nothing was written during the sample"
    assert plan.comments["batches", "busy", "name"] == "Order: order 1 in systems.yaml; 3.0 records/s"


def test_a_cycle_of_systems_has_no_order() -> None:
    systems = {"a": {"topics": ["a"], "after": ["b"]}, "b": {"topics": ["b"], "after": ["a"]}}
    with pytest.raises(UsageError, match=r"(a after b after a|b after a after b): a cycle"):
        made(listing(topics_of(["a", "b"])), {"systems": systems})


def test_a_route_that_spans_systems_moves_with_most_of_its_topics_and_a_note_names_the_tie() -> None:
    found = listing(topics_of(["a.1", "a.2", "a.3", "b.1", "b.2", "c.1"]), [group("g", ["a.1", "b.1", "b.2"])])
    plan = made(found)
    assert batch_of(plan, "b").topics == ("b.*", "a.1")
    assert (batch_of(plan, "a").topics, batch_of(plan, "a").exclude) == (("a.*",), ("a.1",))
    assert batch_of(plan, "b").notes[0] == "topics of other systems: a.1 (a): tied to this one by group g"
    assert "g" in batch_of(plan, "b").groups


def test_a_glob_is_written_out_if_half_of_its_topics_are_elsewhere() -> None:
    found = listing(topics_of(["a.1", "a.2", "b.1", "b.2"]), [group("g", ["a.1", "b.1", "b.2"])])
    assert batch_of(made(found), "a").topics == ("a.2",)


def test_names_win_over_globs_and_the_first_glob_wins() -> None:
    systems = {"one": {"topics": ["x.*"]}, "two": {"topics": ["x.1", "*.*"]}}
    plan = made(listing(topics_of(["x.1", "x.2", "x.3", "y.1", "alone"])), {"systems": systems})
    assert [(each.name, each.topics, each.exclude) for each in plan.plan.batches] == [
        ("other", ("alone",), ()),
        ("one", ("x.*",), ("x.1",)),
        ("two", ("x.1", "y.1"), ()),
    ]
    assert batch_of(plan, "other").system is None


def test_how_groups_move() -> None:
    found = listing(
        topics_of(["t"]),
        [
            group("all", ["t"], ["c", "c"]),
            group("some", ["t"], ["c", "old"]),
            group("ended", ["t"]),
            group("dead", ["t"], ["c"]),
            group("nobody", ["t"]),
            group("sink", ["t"], connector="s3"),
            group("decided", ["t"], ["c"]),
        ],
        [
            *(shim_consumer("all", "c", number) for number in (1, 2)),
            shim_consumer("some", "c"),
            shim_consumer("ended", "c", ended=True),
            shim_consumer("dead", "c", updated=CREATED - timedelta(hours=2)),
        ],
    )
    plan = made(found, {"systems": {"s": {"topics": ["t"], "moves": {"deci*": "shim"}}}})
    moves = {name: (each.moves, each.instances) for name, each in plan.plan.batches[0].groups.items()}
    assert moves == {
        "all": ("shim", 2),
        "some": ("restart", 2),
        "ended": ("shim", None),
        "dead": ("restart", 1),
        "nobody": ("restart", None),
        "sink": ("connector", None),
        "decided": ("shim", 1),
    }
    assert plan.plan.batches[0].groups["sink"].connector == "s3"
    why = plan.comments["batches", "s", "groups", "some"]
    assert why == "1 of 2 members without a status of the shim: old on 10.0.0.1"


def test_how_producers_move() -> None:
    connector = Connector(name="erp", type="source", class_name="x", state="RUNNING", tasks={}, topics=["c"])
    found = listing(
        [
            topic("a", producers=[producer(1, "of-the-app"), producer(2, "other")]),
            topic("c"),
            topic("unknown", producers=[producer(3)]),
        ],
        [],
        [shim_producer("app", ["a"], 1), shim_producer("app", ["a"], 2)],
        connect=[ConnectCluster(url="http://connect", cluster="source", connectors=[connector])],
    )
    (batch,) = made(found, {"systems": {"s": {"topics": ["*"]}}}).plan.batches
    # Both transactional ids write only what the application writes, which cannot be told from its own.
    assert {name: each.moves for name, each in batch.producers.items()} == {"app": "shim", "erp": "connector"}
    assert (batch.producers["app"].instances, batch.producers["erp"].connector) == (2, "erp")
    assert batch.notes == ("who writes is not known, so list it under producers: unknown",)


def test_a_transactional_id_without_an_application_restarts() -> None:
    found = listing([topic("a.1", producers=[producer(1, "tx")]), topic("a.2", producers=[producer(1, "tx")])])
    (batch,) = made(found).plan.batches
    assert {name: each.moves for name, each in batch.producers.items()} == {"tx": "restart"}


def test_a_producer_without_a_name_that_writes_to_two_batches_is_noted_in_both() -> None:
    found = listing([topic("a.1", producers=[producer(7)]), topic("b.1", producers=[producer(7)])])
    for batch in made(found).plan.batches:
        assert any("without a name (id 7)" in note for note in batch.notes)


def test_in_process_only_if_everybody_has_the_shim_and_is_known() -> None:
    clients = [shim_producer("app", ["a.1"]), shim_consumer("g", "c")]
    groups = [group("g", ["a.1"], ["c"])]
    assert made(listing([topic("a.1", grown=1)], groups, clients)).plan.batches[0].path == "in-process"
    assert made(listing([topic("a.1", grown=1)], groups, clients[1:])).plan.batches[0].path == "restart"
    assert made(listing([topic("a.1")], groups)).plan.batches[0].path == "restart"
    assert made(listing([topic("a.1")])).plan.batches[0].path == "restart"
    decided = {"systems": {"a": {"topics": ["a.*"], "path": "overlap", "rollback_window_h": 48}}}
    batch = made(listing([topic("a.1")]), decided).plan.batches[0]
    assert (batch.path, batch.rollback_window_h) == ("overlap", 48)


def test_what_stays_and_why() -> None:
    found = listing(
        [
            topic("__consumer_offsets"),
            topic("a.old", stale="yes", stale_why="last written 90 d ago; no reader"),
            *topics_of(["a.new", "tmp.1"]),
        ],
        [
            group("idle", ["a.new"], stale="yes", stale_why="no members"),
            group("none", []),
            group("of-tmp", ["tmp.1"]),
            group("of-deleted", ["deleted"]),
            group("both", ["a.new", "tmp.1"]),
        ],
    )
    plan = made(found, {"systems": {"a": {"topics": ["a.*"]}}, "stays": ["tmp.*"]})
    assert plan.plan.stays == ("tmp.*", "__consumer_offsets", "a.old")
    assert plan.plan.stays_groups == ("idle", "none", "of-deleted", "of-tmp")
    assert plan.comments["stays", "a.old"] == "stale: last written 90 d ago; no reader"
    assert plan.comments["stays_groups", "of-tmp"] == "reads only topics that stay"
    (batch,) = plan.plan.batches
    assert (batch.topics, list(batch.groups)) == (("a.new",), ["both"])
    assert "group both also reads topics that stay: tmp.1" in batch.notes
    moved = made(found, {"systems": {"a": {"topics": ["a.*"]}, "tmp": {"topics": ["tmp.*"]}}, "stale": "move"})
    assert moved.plan.stays == ("__consumer_offsets",)
    named = made(found, {"systems": {"a": {"topics": ["a.*", "a.old"]}}})
    assert "a.old" not in named.plan.stays


def test_nothing_to_move_and_no_source() -> None:
    with pytest.raises(UsageError, match="no topic is left to move"):
        made(listing([topic("__consumer_offsets")]))
    found = listing(topics_of(["a"]))
    found.clusters = {"target": found.clusters["source"]}
    with pytest.raises(UsageError, match="no source cluster"):
        made(found)


def test_connect_and_target_are_those_of_the_inventory() -> None:
    found = listing(topics_of(["a"]), connect=[ConnectCluster(url="http://connect:8083", cluster="target")])
    found.clusters["target"] = found.clusters["source"].model_copy(update={"kind": "AutoMQ"})
    plan = made(found).plan
    assert plan.connect is not None
    assert (plan.connect.url, plan.clusters.target.kind) == ("http://connect:8083", "automq")
    assert made(found, connect="http://other:8083").plan.connect is not None


@given(st.lists(st.text(alphabet="ab.-_1", min_size=1, max_size=6), min_size=1, max_size=30, unique=True))
@example(["_", "other.a", "stays-1"])
def test_guessed_systems_have_each_topic(names: list[str]) -> None:
    names = [name for name in names if not name.startswith("__")] or ["a"]
    systems = guess_systems(names)
    plan = made(listing(topics_of(names)))
    assert {batch.name for batch in plan.plan.batches} <= set(systems.systems)
    placed = [each.name for batch in plan.plan.batches for each in topics_in(batch, topics_of(names))]
    assert sorted(placed) == sorted(names)


ODD = st.text(
    st.characters(exclude_categories=["C", "Z"]) | st.sampled_from(" :#'\"{}[]&*!|>%@`,-?"), min_size=1, max_size=12
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(st.lists(ODD | st.sampled_from(["no", "1_000", "12:30", "null", "~", "0x1f", "2026-01-01"]), unique=True))
def test_a_plan_is_read_as_it_was_made(tmp_path: Path, names: list[str]) -> None:
    names = [name for name in names if name.strip() == name]
    groups = [group(name, ["no", "on.1"], [name]) for name in names] + [
        group("idle", [], stale="yes", stale_why="a # b")
    ]
    plan = made(listing([*topics_of(["no", "on.1", "1_000"]), topic("off", stale="yes", stale_why="x\ny")], groups))
    file = tmp_path / "plan.yaml"
    file.write_text(text_of(plan))
    assert read_plan(file).plan == plan.plan
