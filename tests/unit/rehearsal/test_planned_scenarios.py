"""Scenarios generated from a plan have its topics, groups, members, path and traffic; what is left out is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cutover_harness.errors import UsageError
from cutover_harness.inventory.model import Listing
from cutover_harness.judge.planned import Planned
from cutover_harness.plan.batch import FileConnectors
from cutover_harness.plan.load import find, load_all
from cutover_harness.plan.traffic import TopicTraffic
from cutover_harness.rehearsal.planned.limits import Limits
from cutover_harness.rehearsal.planned.read import read_source
from cutover_harness.rehearsal.planned.scenarios import PlannedScenario, named_scenarios, scenarios_of
from cutover_scenarios import sample_capture

from tests.unit.rehearsal.listings import PLAN, group, listing, shop, topic, write_plan

ENOUGH = Limits()


def planned(
    folder: Path,
    plan: str = PLAN,
    inventory: Listing | None = None,
    *,
    limits: Limits = ENOUGH,
    names: tuple[str, ...] = (),
) -> dict[str, PlannedScenario]:
    """Return the scenarios of a plan by name."""
    _, source = read_source(write_plan(folder, plan, inventory), None, names)
    return {each.scenario.name: each for each in scenarios_of(source, limits, names)}


def words(part: Planned) -> str:
    return "\n".join(omitted.what for omitted in part.not_rehearsed)


def test_a_batch_is_a_scenario_with_the_topics_and_clients_of_the_plan(tmp_path: Path) -> None:
    found = planned(tmp_path)
    assert list(found) == ["orders", "payments", "batches-in-order"]
    scenario, part = found["orders"].scenario, found["orders"].planned
    assert scenario.path == find("in-process").path
    assert scenario.expect == find("in-process").expect
    assert set(scenario.traffic) == {"orders.placed", "orders.shipped", "orders.state", "orders.idle"}
    assert scenario.traffic["orders.placed"].partitions == 6
    assert scenario.traffic["orders.placed"].properties == {"min.insync.replicas": "2"}
    assert scenario.fleet.groups == {"billing": 2, "warehouse": 3, "rehearsal-reader-orders": 1}
    assert (scenario.fleet.producers, scenario.fleet.apps) == (2, "shim")
    assert scenario.fleet.consumer == {"partition.assignment.strategy": "range"}
    batch = scenario.batches["orders"]
    assert (batch.topics, batch.exclude) == (("orders.*",), ("orders.old",))
    assert batch.reads["warehouse"] == ("orders.shipped", "orders.state")
    assert (part.route, part.batches, part.name, part.file) == ("orders", ["orders"], "shop", "plan.yaml")
    assert part.groups["warehouse"].planned_members == part.groups["warehouse"].members == 3
    assert len(part.sha256) == len(part.inventory_sha256 or "") == 64


def test_the_batches_move_in_their_order_on_one_pair_of_clusters(tmp_path: Path) -> None:
    in_order = planned(tmp_path)["batches-in-order"]
    assert list(in_order.scenario.batches) == in_order.planned.batches == ["orders", "payments"]
    assert in_order.planned.route == "all"
    assert set(in_order.scenario.fleet.groups) >= {"billing", "warehouse", "ledger"}


def test_batches_have_paths_gates_and_producers_of_their_own(tmp_path: Path) -> None:
    plan = PLAN.replace("path: in-process", "path: stop-first\n    gates: {lag_bar: 7}", 1)
    scenario = planned(tmp_path, plan)["batches-in-order"].scenario
    orders, payments = scenario.batches["orders"], scenario.batches["payments"]
    assert (orders.path, payments.path) == (find("stop-first").path, find("in-process").path)
    assert orders.gates is not None
    assert orders.gates.model_fields_set == {"lag_bar"}
    assert (orders.producers, payments.producers) == (2, 2)
    assert scenario.expect.limit("re_read_across") is None
    assert scenario.expect.limit("lost") == 0


def test_one_batch(tmp_path: Path) -> None:
    assert list(planned(tmp_path, names=("payments",))) == ["payments"]


def test_traffic_has_the_inventorys_rates_and_sizes(tmp_path: Path) -> None:
    found = planned(tmp_path)["orders"]
    traffic = found.scenario.traffic
    assert traffic["orders.placed"].per_second == 40
    assert traffic["orders.placed"].bytes == 200
    assert (traffic["orders.shipped"].large_every, traffic["orders.shipped"].large_bytes) == (50, 20_000)
    assert traffic["orders.state"].compacted
    assert traffic["orders.idle"].per_second > 0
    sentences = "\n".join(found.planned.traffic)
    assert "measured for 3 of 4 topics" in sentences
    assert "assumed 3 records per second for orders.idle" in sentences


def test_rates_above_the_limit_are_lowered_together(tmp_path: Path) -> None:
    found = planned(tmp_path, limits=Limits(records_per_s=30))["orders"]
    assert found.scenario.traffic["orders.placed"].per_second == 20
    assert found.scenario.traffic["orders.shipped"].per_second == 7.5
    assert any("lowered to 50 %" in line for line in found.planned.traffic)


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    topics = [topic(f"orders.t{n:03}", 40, 1.0 + n) for n in range(100)]
    groups = [group(f"g{n}", 9, f"orders.t{n:03}") for n in range(30)]
    names = "".join(f"      g{n}: {{moves: shim}}\n" for n in range(30))
    plan = PLAN.split("  - name: payments")[0].replace(
        "      billing: {moves: shim}\n      warehouse: {moves: shim}\n", names
    )
    found = planned(tmp_path, plan, listing(topics, groups))["orders"]
    scenario, text = found.scenario, words(found.planned)
    assert sum(scenario.fleet.groups.values()) + scenario.fleet.producers <= ENOUGH.apps
    assert sum(shape.partitions for shape in scenario.traffic.values()) <= ENOUGH.partitions
    assert f"{100 - len(scenario.traffic)} of 100 topics" in text
    assert f"{31 - len(scenario.fleet.groups)} of 31 groups" in text
    assert "partitions" in text
    read = {name for topics in scenario.batches["orders"].reads.values() for name in topics}
    assert read == set(scenario.traffic)


@pytest.mark.parametrize(
    ("moves", "path", "restarted", "left_out"),
    [
        ("restart", "stop-first", True, "its producers: the plan names none"),
        ("connector, connector: s3", "in-process", False, "the plugins of connectors group ledger"),
        ("connector, connector: s3", "overlap", False, "connectors: group ledger"),
        ("shim", "in-process", False, "its producers: the plan names none"),
        ("shim", "restart", False, "its producers: the plan names none"),
        ("restart, on_stop: [x], on_start: [y]", "stop-first", True, "on_stop and on_start"),
    ],
)
def test_how_applications_move(tmp_path: Path, moves: str, path: str, restarted: bool, left_out: str) -> None:
    plan = PLAN.replace("ledger: {moves: shim}", f"ledger: {{moves: {moves}}}")
    head, tail = plan.split("  - name: payments")
    tail = tail.replace("path: in-process", f"path: {path}")
    found = planned(tmp_path, f"{head}  - name: payments{tail}")["payments"]
    restarts = found.scenario.batches["payments"].restarts
    if moves.startswith("connector") and path == "in-process":
        assert restarts is not None
        assert (restarts.groups, restarts.producers) == ((), found.scenario.batches["payments"].producers)
        assert found.scenario.batches["payments"].connectors == FileConnectors(groups=("ledger",))
    elif restarted:
        assert restarts is not None
        assert "ledger" in restarts.groups
        assert restarts.producers == found.scenario.batches["payments"].producers
    else:
        assert restarts is None
    assert left_out in words(found.planned)


CONNECTORS = PLAN.replace("ledger: {moves: shim}", "ledger: {moves: connector, connector: s3}") + (
    "    producers:\n      crm: {moves: connector, connector: crm}\n      erp: {moves: restart}\n"
)


def test_connectors_are_rehearsed_as_file_connectors(tmp_path: Path) -> None:
    inventory = shop()
    kinds: dict[str, dict[str, Any]] = {
        "payments.compacted": {"compacted": True},
        "payments.stamped": {"timestamps": "LogAppendTime"},
        "payments.zip": {},
    }
    inventory.clusters["source"].topics += [topic(name, 2, **known) for name, known in kinds.items()]
    inventory.clusters["source"].topics = [
        each for each in inventory.clusters["source"].topics if each.name != "payments.done"
    ]
    found = planned(tmp_path, CONNECTORS, inventory)["payments"]
    batch = found.scenario.batches["payments"]
    assert batch.connectors == FileConnectors(groups=("ledger",), producers={"crm": "payments.zip"})
    assert batch.restarts is not None
    assert (batch.restarts.groups, batch.restarts.producers, batch.producers) == ((), 2, 2)
    assert found.scenario.fleet.groups == {"ledger": 1}, "a file has one task"
    assert found.planned.groups["ledger"].planned_members == 2
    text = words(found.planned)
    for part in ("the plugins of connectors group ledger, producer crm", "traffic of source", "the Connect clusters"):
        assert part in text


def test_connectors_are_restarted_clients_where_no_worker_can_run(tmp_path: Path) -> None:
    _, source = read_source(write_plan(tmp_path, CONNECTORS), None)
    (found,) = scenarios_of(replace(source, connectors=False), ENOUGH, ["payments"])
    batch = found.scenario.batches["payments"]
    assert batch.connectors is None
    assert batch.restarts is not None
    assert (batch.restarts.groups, batch.restarts.producers) == (("ledger",), 2)
    assert "connectors: group ledger, producer crm" in words(found.planned)


def test_a_batch_that_mixes_ways_to_move(tmp_path: Path) -> None:
    plan = PLAN.replace("billing: {moves: shim}", "billing: {moves: restart}").replace(
        "checkout: {moves: shim, instances: 2}", "checkout: {moves: shim, instances: 2}\n      erp: {moves: restart}"
    )
    found = planned(tmp_path, plan)
    for name in ("orders", "batches-in-order"):
        batch = found[name].scenario.batches["orders"]
        assert batch.restarts is not None
        assert (batch.restarts.groups, batch.restarts.producers, batch.producers) == (("billing",), 1, 3)
    assert found["batches-in-order"].scenario.batches["payments"].restarts is None


def test_an_overlap_restarts_the_whole_fleet(tmp_path: Path) -> None:
    found = planned(tmp_path, PLAN.replace("path: in-process", "path: overlap", 1))
    assert found["orders"].scenario.fleet.apps == "restart"
    assert "the shim in group billing" in words(found["orders"].planned)
    assert list(found) == ["orders", "payments"]
    assert "The order of the batches" in words(found["payments"].planned)


def test_transactional_topics_have_transactions(tmp_path: Path) -> None:
    inventory = shop()
    inventory.clusters["source"].topics[0].transactional = True
    found = planned(tmp_path, inventory=inventory)["orders"]
    assert found.scenario.fleet.transactions is not None
    assert found.scenario.fleet.consumer["isolation.level"] == "read_committed"
    assert "Producers without transactions" in words(found.planned)


def test_a_path_of_steps(tmp_path: Path) -> None:
    steps = "path: [create-task, {step: producers-to-target, safety: false}, consumers-to-target, delete-task]"
    found = planned(tmp_path, PLAN.replace("path: in-process", steps, 1))["orders"]
    assert [step.step for step in found.scenario.path][1:3] == ["producers-to-target", "consumers-to-target"]
    assert not found.scenario.path[1].safety


def test_a_control_topic_of_the_plan_is_rehearsed(tmp_path: Path) -> None:
    found = planned(tmp_path, PLAN.replace("batches:", "reach: [{kafka: c}, {configmap: a/b}]\nbatches:"))["orders"]
    assert found.scenario.fleet.channel == "kafka"
    assert "ConfigMap" in words(found.planned)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("inventory: {file: inventory.json}\n", "", "inventory: is missing"),
        ("orders.*", "nothing.*", "batch orders: none of the inventory's topics matches nothing"),
        ("{file: inventory.json}", f"{{file: inventory.json, sha256: {'a' * 64}}}", "has changed since the plan"),
        ("{file: inventory.json}", "{file: plan.yaml}", "give a file that `kafka-cutover inventory"),
        ("{file: inventory.json}", "{file: none.json}", "none.json: cannot be read"),
    ],
)
def test_a_plan_that_cannot_be_rehearsed(tmp_path: Path, old: str, new: str, why: str) -> None:
    file = write_plan(tmp_path, PLAN.replace(old, new), sha256=False)
    with pytest.raises(UsageError, match=why):
        scenarios_of(read_source(file, None)[1], ENOUGH)


def test_an_unknown_batch_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--batch order: .* it has orders, payments"):
        planned(tmp_path, names=("order",))


def test_a_capture_without_a_batchs_topics_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"lacks 5 of 5 topics .*: orders\.idle, orders\.placed"):
        read_source(write_plan(tmp_path), sample_capture())


def test_a_capture_replaces_the_traffic_and_the_inventory(tmp_path: Path) -> None:
    plan = PLAN.replace("inventory: {file: inventory.json}\n", "").replace("orders.*", "flights.*")
    plan = plan.split("  - name: payments")[0].replace("exclude: [orders.old]", "exclude: []")
    _, source = read_source(write_plan(tmp_path, plan), sample_capture())
    (found,) = scenarios_of(source, ENOUGH)
    assert found.scenario.traffic == {}
    assert all(name.startswith("flights.") for name in found.planned.topics)
    assert found.planned.inventory is None


def test_every_generated_shape_is_valid(tmp_path: Path) -> None:
    strange = [
        topic("orders.a", 1, None, bytes=None, records=None),
        topic("orders.b", 500, 1e6, bytes=10**12, records=1, max_message_bytes=2000, largest_record=10**8),
        topic("orders.c", 1, 0.001, bytes=10, records=10**9, compacted=True, config={"cleanup.policy": "compact"}),
    ]
    found = planned(tmp_path, inventory=listing([*strange, topic("payments.x")], []))["orders"]
    assert all(isinstance(shape, TopicTraffic) for shape in found.scenario.traffic.values())
    assert found.scenario.traffic["orders.b"].bytes < 2000
    assert "Records of more than 900 kB: orders.b" in words(found.planned)
    assert "subscriptions of" in words(found.planned)


def test_scenarios_of_the_catalogue_with_the_batches_of_a_plan(tmp_path: Path) -> None:
    _, source = read_source(write_plan(tmp_path), None)
    templates = [scenario for scenario in load_all() if not (scenario.traffic or scenario.batches)]
    found = {each.scenario.name: each for each in named_scenarios(source, ENOUGH, templates, ["payments"])}
    assert len(found) == len(templates) > 35
    rollback = found["payments.rollback-from-4"]
    assert rollback.scenario.path == find("rollback-from-4").path
    assert rollback.planned.route == "payments"
    assert found["payments.producers-first"].scenario.expect.must_fail == ("reordered",)
    for template in templates:
        assert found[f"payments.{template.name}"].scenario.faults == template.faults


@pytest.mark.parametrize("name", ["compacted", "two-batches", "growing-batch"])
def test_scenarios_with_topics_of_their_own_are_refused(tmp_path: Path, name: str) -> None:
    _, source = read_source(write_plan(tmp_path), None)
    with pytest.raises(UsageError, match="of its own, which a plan replaces"):
        named_scenarios(source, ENOUGH, [find(name)])


def test_of_many_batches_the_order_of_the_first_ones_is_rehearsed(tmp_path: Path) -> None:
    head = PLAN.split("  - name: orders")[0]
    batches = "".join(f"  - {{name: b{n}, path: in-process, topics: [t{n}]}}\n" for n in range(12))
    found = planned(tmp_path, head + batches, listing([topic(f"t{n}") for n in range(12)], []))
    assert len(found) == 13
    in_order = found["batches-in-order"]
    assert in_order.planned.batches == [f"b{n}" for n in range(8)]
    assert "The order of the batches: b8, b9, b10, b11" in words(in_order.planned)
    assert sum(in_order.scenario.fleet.groups.values()) + in_order.scenario.fleet.producers <= ENOUGH.apps


def test_a_plan_with_thousands_of_topics(tmp_path: Path) -> None:
    names = [f"t{n:05}" for n in range(5_000)]
    head = PLAN.split("  - name: orders")[0]
    batches = "".join(
        f"  - {{name: b{n}, path: in-process, topics: [{', '.join(names[100 * n : 100 * n + 100])}]}}\n"
        for n in range(50)
    )
    found = planned(tmp_path, head + batches, listing([topic(name) for name in names], []))
    assert len(found) == 51
