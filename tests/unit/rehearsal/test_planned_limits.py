"""The choice of topics, partitions and processes keeps to its limits, and names what it leaves out."""

from __future__ import annotations

from cutover_harness.planning.model import Mover, PlannedBatch
from cutover_harness.rehearsal.planned.limits import Limits, capped, raised, select
from cutover_harness.rehearsal.planned.parts import Part, part_of
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.rehearsal.listings import group, listing, topic


@st.composite
def parts(draw: st.DrawFn) -> list[Part]:
    """Return one to three batches of any size, with groups that read any of their topics."""
    found = []
    for number in range(draw(st.integers(1, 3))):
        names = [f"b{number}.t{n}" for n in range(draw(st.integers(1, 30)))]
        topics = [topic(name, draw(st.integers(1, 80)), draw(st.floats(0, 100))) for name in names]
        groups = [
            group(f"g{number}-{n}", draw(st.integers(0, 9)), *draw(st.lists(st.sampled_from(names), unique=True)))
            for n in range(draw(st.integers(0, 12)))
        ]
        batch = PlannedBatch(
            name=f"b{number}",
            path="in-process",
            topics=(f"b{number}.*",),
            groups={each.name: Mover(moves="shim") for each in groups},
            producers={
                f"app{n}": Mover(moves=draw(st.sampled_from(["shim", "restart"])), instances=3)
                for n in range(draw(st.integers(0, 3)))
            },
        )
        found.append(part_of(batch, listing(topics, groups), "plan"))
    return found


@given(parts(), st.integers(1, 40), st.integers(1, 200), st.integers(2, 40))
def test_a_selection_keeps_to_its_limits(found: list[Part], topics: int, partitions: int, apps: int) -> None:
    limits = Limits(topics=topics, partitions=partitions, apps=apps)
    selection = select(found, limits)
    chosen = [name for each in selection for name in each.topics]
    counts = [count for each in selection for count in each.topics.values()]
    members = [count for each in selection for count in each.groups.values()]
    senders = [each.producers for each in selection]
    assert len(chosen) <= max(topics, len(found))
    assert sum(counts) <= max(partitions, len(counts))
    assert sum(members) + sum(senders) <= max(apps, 3 * len(found))
    assert min([*counts, *members, *senders]) >= 1
    for each in selection:
        assert each.topics
        assert each.groups
        assert all(each.reads[name] for name in each.groups)
        assert {name for topics in each.reads.values() for name in topics} == set(each.topics)
        assert set(each.without_topics) | set(each.topics) == set(each.part.topics)
        assert all(count <= each.part.topics[name].partitions for name, count in each.topics.items())


@given(st.dictionaries(st.integers(), st.integers(1, 64), min_size=1), st.integers(1, 500))
def test_raised_takes_all_if_it_fits(wanted: dict[int, int], limit: int) -> None:
    found = raised(wanted, limit, {})
    assert sum(found.values()) <= max(limit, len(wanted))
    if sum(wanted.values()) <= limit:
        assert found == wanted


def test_the_largest_are_lowered_first() -> None:
    assert capped({"a": 50, "b": 3, "c": 1}, 20) == {"a": 16, "b": 3, "c": 1}
    assert raised({"a": 9, "b": 2}, 6, {}) == {"a": 4, "b": 2}
    assert raised({"a": 9, "b": 2}, 2, {"b": 2}) == {"a": 1, "b": 2}
