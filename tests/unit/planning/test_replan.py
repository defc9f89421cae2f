"""Planning again onto a file that a person has edited: edits and comments stay, and what is new arrives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from cutover_harness.inventory.model import Listing
from cutover_harness.planning.editing import apply
from cutover_harness.planning.keep import base_of, replanned
from cutover_harness.planning.make import Wanted, make_plan
from cutover_harness.planning.merge import merge
from cutover_harness.planning.model import ListedBy
from cutover_harness.planning.read import read_plan
from cutover_harness.planning.render import dumped
from cutover_harness.planning.render import yaml as keeping
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.planning.listings import group, listing, shim_producer, topic, topics_of


class Planner:
    """Plans into one file, as the command does."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "plan.yaml"

    def plan(self, found: Listing, digest: str = "0", **wanted: Any) -> list[str]:
        """Return what could not be merged."""
        made = make_plan(found, ListedBy(file="inventory.json", sha256=digest * 64), None, Wanted(**wanted))
        result = replanned(self.file, made, found)
        self.file.write_text(result.text)
        base_of(self.file).write_text(result.generated)
        read_plan(self.file)
        return result.kept

    def edit(self, *changes: tuple[str, str]) -> None:
        text = self.file.read_text()
        for old, new in changes:
            assert text.count(old) == 1, (old, text)
            text = text.replace(old, new)
        self.file.write_text(text)

    @property
    def text(self) -> str:
        return self.file.read_text()

    def batch(self, name: str) -> Any:
        return next(each for each in read_plan(self.file).plan.batches if each.name == name)


@pytest.fixture
def planner(tmp_path: Path) -> Planner:
    return Planner(tmp_path)


def first(*more: Any, groups: Sequence[Any] = ()) -> Listing:
    return listing(
        [*topics_of(["a.1", "a.2", "b.1", "b.2"]), *more], [group("g", ["a.1"]), group("h", ["b.1"]), *groups]
    )


def test_the_same_input_changes_not_a_byte(planner: Planner) -> None:
    planner.plan(first())
    before = planner.text
    assert planner.plan(first()) == []
    assert planner.text == before
    # Neither does a format of the person's own.
    planner.edit(("inventory: {file: inventory.json,", "# mine\ninventory:   {file:   'inventory.json'  ,"))
    before = planner.text
    assert planner.plan(first()) == []
    assert planner.text == before


def test_edits_and_comments_stay_and_what_is_new_arrives(planner: Planner) -> None:
    planner.plan(first())
    planner.edit(
        ("    system: a\n    path: restart", "    system: a\n    # decided on Monday\n    path: overlap # by Ann"),
        (
            "      h: {moves: restart} # no member now, and no status of the shim",
            "      h: {moves: shim} # since Tuesday",
        ),
        ("  source: {properties: source.properties}", "  source: {properties: prod.properties}"),
    )
    grown = first(topic("a.3", bytes=5000), topic("c.1"), groups=[group("new", ["a.3", "a.2"])])
    assert planner.plan(grown, "1") == []
    plan = read_plan(planner.file).plan
    assert plan.clusters.source.properties == "prod.properties"
    assert [each.name for each in plan.batches] == ["c", "b", "a"]
    a, b = planner.batch("a"), planner.batch("b")
    assert (a.path, list(a.groups), a.estimate.bytes) == ("overlap", ["g", "new"], 7000)
    assert b.groups["h"].moves == "shim"
    assert plan.inventory is not None
    assert plan.inventory.sha256 == "1" * 64
    for comment in ("# decided on Monday", "# by Ann", "# since Tuesday"):
        assert comment in planner.text


def test_what_both_have_changed_is_kept_and_reported(planner: Planner) -> None:
    planner.plan(first(), name="one")
    planner.edit(("name: one", "name: mine"))
    assert planner.plan(first(), name="two") == ["name: kept mine; the new plan has two"]
    assert read_plan(planner.file).plan.name == "mine"
    # It is reported once: after that the difference is known.
    assert planner.plan(first(), name="two") == []


def test_a_topic_that_a_person_has_moved_stays_there(planner: Planner) -> None:
    planner.plan(listing(topics_of(["a1", "a2", "b1"])))
    planner.edit(("      - a1\n", "      - a1\n      - b1\n"))
    text = planner.text
    at = text.index("  - name: b1")
    planner.file.write_text(
        text[:at] + text[text.index("mirror_rate", at) :] if "mirror_rate" in text[at:] else text[:at]
    )
    assert planner.plan(listing([*topics_of(["a1", "a2", "b1"]), topic("c1")])) == []
    batches = {each.name: each.topics for each in read_plan(planner.file).plan.batches}
    assert batches == {"a1": ("a1", "b1"), "a2": ("a2",), "c1": ("c1",)}


def test_a_topic_is_never_in_two_batches_after_a_merge(planner: Planner) -> None:
    planner.plan(listing([topic("x.1"), *topics_of(["y.1", "y.2"]), topic("z.1", stale="yes")]))
    planner.edit(("stays:\n  - z.1 # stale: \n", ""), ("      - x.*\n", "      - x.*\n      - z.1\n"))
    # The topic is used now, so that the new plan has a batch for it.
    kept = planner.plan(listing([topic("x.1"), *topics_of(["y.1", "y.2"]), topic("z.1")]))
    assert [batch.name for batch in read_plan(planner.file).plan.batches if "z.1" in batch.topics] == ["x"]
    assert kept == []


def test_a_group_that_a_person_has_moved_stays_there(planner: Planner) -> None:
    planner.plan(listing(topics_of(["a.1", "b.1"]), [group("g", [])]))
    planner.edit(
        ("stays_groups:\n  - g # which topics it reads is not known\n", ""),
        ("      - a.*\n", "      - a.*\n    groups:\n      g: {moves: restart}\n"),
    )
    kept = planner.plan(listing(topics_of(["a.1", "b.1"]), [group("g", ["b.1"])]))
    assert [batch.name for batch in read_plan(planner.file).plan.batches if "g" in batch.groups] == ["a"]
    assert kept == ["group g: kept in batch a; the new plan has it in batch b"]


def test_a_batch_that_a_person_has_renamed_is_still_that_of_its_system(planner: Planner) -> None:
    planner.plan(first())
    planner.edit(("  - name: a # Order", "  # ours\n  - name: alpha # Order"))
    assert planner.plan(first(topic("a.3", grown=5, grown_per_s=1.5)), "1") == []
    assert [each.name for each in read_plan(planner.file).plan.batches] == ["b", "alpha"]
    assert "  # ours\n  - name: alpha # Order: 1.5 records/s\n" in planner.text
    assert planner.batch("alpha").estimate.bytes == 3000


def test_without_its_base_every_difference_counts_as_an_edit(planner: Planner) -> None:
    planner.plan(first())
    base_of(planner.file).unlink()
    kept = planner.plan(first(topic("c.1")), "1")
    assert "is missing" in kept[0] if kept else True
    assert "c" not in [each.name for each in read_plan(planner.file).plan.batches]


def test_reasons_are_renewed_unless_a_person_has_changed_them(planner: Planner) -> None:
    planner.plan(listing([topic("a.1")], [group("g", ["a.1"]), group("h", ["a.1"])]))
    text = planner.text
    planner.file.write_text(
        text.replace(
            "      g: {moves: restart} # no member now, and no status of the shim",
            "      g: {moves: restart} # ask Bob",
        )
    )
    planner.plan(listing([topic("a.1")], [group("g", ["a.1"], ["c"]), group("h", ["a.1"], ["c"])]))
    assert "g: {moves: restart, instances: 1} # ask Bob" in planner.text
    assert (
        "h: {moves: restart, instances: 1} # 1 of 1 members without a status of the shim: c on 10.0.0.1" in planner.text
    )


def test_a_producer_that_now_has_the_shim(planner: Planner) -> None:
    planner.plan(first())
    planner.plan(listing(topics_of(["a.1", "a.2", "b.1", "b.2"]), [], [shim_producer("app", ["b.1"])]))
    assert planner.batch("b").path == "in-process"


PLAIN = st.recursive(
    st.sampled_from(["x", "y", 1, 2.5, True, None]),
    lambda inner: st.dictionaries(st.sampled_from("abcde"), inner, max_size=4),
    max_leaves=8,
)
NAMES = st.lists(st.sampled_from([f"t{number}" for number in range(8)]), unique=True, max_size=6)
BATCHES = st.lists(
    st.fixed_dictionaries({"name": st.sampled_from("pqrs"), "topics": NAMES.filter(bool)}, optional={"more": PLAIN}),
    unique_by=lambda each: str(each["name"]),
    max_size=4,
)
DATA = st.fixed_dictionaries(
    {"batches": BATCHES}, optional={"stays": NAMES, "name": st.sampled_from("xyz"), "more": PLAIN}
)


def once_each(data: dict[str, Any]) -> bool:
    names = [name for batch in data["batches"] for name in batch["topics"]] + data.get("stays", [])
    return len(names) == len(set(names))


@given(DATA, DATA)
def test_without_edits_the_new_plan_is_the_result(base: dict[str, Any], new: dict[str, Any]) -> None:
    merged = merge(base, base, new)
    assert (merged.data, merged.kept) == (new, [])


@given(DATA, DATA.filter(once_each))
def test_without_news_the_edits_are_the_result(base: dict[str, Any], mine: dict[str, Any]) -> None:
    merged = merge(base, mine, base)
    assert (merged.data, merged.kept) == (mine, [])


@given(DATA.filter(once_each), DATA.filter(once_each), DATA.filter(once_each))
def test_what_a_person_has_put_somewhere_is_there_and_only_there(
    base: dict[str, Any], mine: dict[str, Any], new: dict[str, Any]
) -> None:
    def places(data: dict[str, Any]) -> set[tuple[str, str]]:
        found = {(topic, batch["name"]) for batch in data["batches"] for topic in batch["topics"]}
        return found | {(topic, "stays") for topic in data.get("stays", [])}

    merged = merge(base, mine, new)
    put = places(mine) - places(base)
    assert put <= places(merged.data)
    for name, place in put:
        assert [each for each in places(merged.data) if each[0] == name] == [(name, place)]


COMMENTED = """\
# head
name: x # the name

# about batches
batches:
  - name: a # one
    topics:
      - t1
      # about t2
      - t2

  # about b
  - name: b
    topics: [u1, u2]
    more:
      deep:
        leaf: 1
  # about c
  - name: c
    topics:
      - v
# about stays
stays:
  - s1
  # about s2
  - s2
# the end
"""


def changed(change: Callable[[Any], None]) -> str:
    document = keeping().load(COMMENTED)
    data = yaml.safe_load(COMMENTED)
    change(data)
    apply(document, data)
    text = dumped(document)
    assert yaml.safe_load(text) == data
    return text


def test_lines_of_comments_stay_before_what_they_are_about() -> None:
    def change(data: Any) -> None:
        data["batches"][0]["topics"] = ["t1", "new", "t3"]
        del data["batches"][1]
        data["stays"] = ["s2", "s3"]

    assert changed(change) == (
        COMMENTED.replace("      - t1\n", "      - t1\n      - new\n      - t3\n")
        .replace("      - t2\n", "")
        .replace("  - name: b\n    topics: [u1, u2]\n    more:\n      deep:\n        leaf: 1\n", "")
        .replace("  - s1\n", "")
        .replace("  - s2\n", "  - s2\n  - s3\n")
    )


@given(st.permutations(["a", "b", "c"]))
def test_a_comment_moves_with_what_it_is_about(order: list[str]) -> None:
    def change(data: Any) -> None:
        data["batches"].sort(key=lambda batch: order.index(batch["name"]))

    text = COMMENTED.replace("batches:\n", "batches:\n  # about a\n")
    document, data = keeping().load(text), yaml.safe_load(text)
    change(data)
    apply(document, data)
    lines = dumped(document).splitlines()
    for name in order:
        (at,) = [number for number, line in enumerate(lines) if line.startswith(f"  - name: {name}")]
        assert lines[at - 1] == f"  # about {name}"


@given(st.permutations(["a", "b", "c"]), st.sets(st.sampled_from(["t1", "t2", "t3"]), min_size=1), st.booleans())
def test_no_comment_is_lost(order: list[str], topics: set[str], stays: bool) -> None:
    def change(data: Any) -> None:
        data["batches"].sort(key=lambda batch: order.index(batch["name"]))
        for batch in data["batches"]:
            batch["topics"] = sorted(topics)
        if not stays:
            del data["stays"]

    text = changed(change)
    for line in COMMENTED.splitlines():
        inside = ("about s2",) if not stays else ()
        if "#" in line and not any(each in line for each in inside):
            assert line.partition("#")[2] in text, text


def test_a_changed_value_keeps_its_comment() -> None:
    assert changed(lambda data: data.update(name="y")) == COMMENTED.replace("name: x # the", "name: y # the")
