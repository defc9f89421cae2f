"""A plan as generated has no problem, whatever is on the cluster; and each problem that is planted in one is found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import yaml
from cutover_harness.inventory.model import Listing
from cutover_harness.planning.check_inventory import check_inventory
from cutover_harness.planning.check_names import check_names
from cutover_harness.planning.make import Wanted, make_plan
from cutover_harness.planning.model import ListedBy
from cutover_harness.planning.problems import PlanText, Problem, shape_of
from cutover_harness.planning.render import text_of
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.unit.planning.listings import group, listing, producer, shim_consumer, shim_producer, topic

NAMES = [f"{system}.{number}" for system in ("a", "b", "c", "d") for number in range(4)]
TOPICS = st.sets(st.sampled_from(NAMES), max_size=4)


@st.composite
def clusters(draw: st.DrawFn) -> Listing:
    """A cluster with groups, applications and transactional ids; a topic is stale only if no active group reads it."""
    groups = draw(st.lists(st.tuples(TOPICS, st.booleans(), st.booleans()), max_size=6))
    transactional = draw(st.lists(TOPICS, max_size=3))
    stale = draw(TOPICS) - {name for read, is_stale, _ in groups if not is_stale for name in read}
    producers = {
        name: [producer(number, f"tx-{number}") for number, written in enumerate(transactional) if name in written]
        for name in NAMES
    }
    apps = draw(st.lists(TOPICS.filter(bool), max_size=3))
    return listing(
        [topic("__consumer_offsets")]
        + [topic(name, stale="yes" if name in stale else "no", producers=producers[name]) for name in NAMES],
        [
            group(f"g-{number}", read, ["c"] if has_members and not is_stale else [], stale="yes" if is_stale else "no")
            for number, (read, is_stale, has_members) in enumerate(groups)
        ],
        [shim_producer(f"app-{number}", written) for number, written in enumerate(apps)] + [shim_consumer("g-0", "c")],
    )


def problems(found: Listing, change: Callable[[dict[str, Any]], None] = lambda _: None) -> list[Problem]:
    data = yaml.safe_load(text_of(make_plan(found, ListedBy(file="inventory.json"), None, Wanted())))
    change(data)
    lines = yaml.safe_dump(data)
    text = PlanText("plan.yaml", yaml.compose(lines), data)
    plan, wrong = shape_of(text, data)
    assert plan is not None
    assert wrong == []
    return [*check_names(plan, text), *check_inventory(plan, text, found, {"topics": set(), "groups": set()})]


@settings(deadline=None, max_examples=20)
@given(clusters())
def test_a_generated_plan_has_no_problem(found: Listing) -> None:
    assert problems(found) == []


@settings(deadline=None, max_examples=20)
@given(clusters(), st.data())
def test_a_topic_that_is_taken_out_of_its_batch_is_found(found: Listing, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([each.name for each in found.clusters["source"].topics if each.stale == "no"]))
    assume(not name.startswith("__"))

    def change(plan: dict[str, Any]) -> None:
        for batch in plan["batches"]:
            if name in batch["topics"]:
                batch["topics"].remove(name)
                batch["topics"].append("none-*")
            elif any(pattern.startswith(name[0]) for pattern in batch["topics"]):
                batch.setdefault("exclude", []).append(name)

    assert any(f"topics in no batch: {name}" in str(each) for each in problems(found, change))


@settings(deadline=None, max_examples=20)
@given(clusters(), st.data())
def test_a_group_that_is_taken_out_of_its_batch_is_found(found: Listing, data: st.DataObject) -> None:
    assume(found.clusters["source"].groups)
    name = data.draw(st.sampled_from([each.name for each in found.clusters["source"].groups]))

    def change(plan: dict[str, Any]) -> None:
        for batch in plan["batches"]:
            batch.get("groups", {}).pop(name, None)
        plan["stays_groups"] = [each for each in plan.get("stays_groups", []) if each != name]

    assert any(f"groups in no batch: {name}" in str(each) for each in problems(found, change))
