"""Snapshots of offsets: written completely, read strictly, put back only if nothing can go wrong, and read back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from cutover_harness.conductor.snapshots import Snapshots, put_back, read_snapshot, words
from cutover_harness.errors import UsageError
from cutover_harness.mirror import Batch

GROUPS = ("billing", "audit")
BATCH = Batch("shop", ("orders",), GROUPS)


class Cluster:
    """Offsets of groups; `forgets`: partitions that keep no offset, `busy`: groups with a member."""

    def __init__(self, offsets: Mapping[str, Mapping[tuple[str, int], int]], *, busy: Sequence[str] = ()) -> None:
        self.offsets = {group: dict(its) for group, its in offsets.items()}
        self.forgets: tuple[str, int] | None = None
        self.id = "one"
        self._busy = busy

    def cluster_id(self) -> str:
        return self.id

    def committed(self, group: str, topics: Sequence[str] | None = None) -> dict[tuple[str, int], int]:
        return {at: n for at, n in self.offsets.get(group, {}).items() if topics is None or at[0] in topics}

    def member_names(self, group: str) -> list[str]:
        return ["java at host"] if group in self._busy else []

    def set_committed(self, group: str, offsets: Mapping[tuple[str, int], int]) -> None:
        kept = {at: n for at, n in offsets.items() if at != self.forgets}
        self.offsets[group] = {**self.offsets.get(group, {}), **kept}


def cluster(*arguments: Any, **options: Any) -> Any:
    return Cluster(*arguments, **options)


SOURCE = {"billing": {("orders", 0): 10, ("orders", 1): 20, ("other", 0): 5}, "audit": {}}
TARGET = {"billing": {("orders", 0): 9}}


def take(folder: Path) -> Path:
    taken = Snapshots(folder / "snapshots", "shop", GROUPS, cluster(SOURCE), cluster(TARGET))
    return taken.take(3, "set-exact-offsets", ["orders"])


def test_what_is_taken_is_read_and_put_back(tmp_path: Path) -> None:
    file = take(tmp_path)
    assert file.name.startswith("04-set-exact-offsets-")
    snapshot = read_snapshot(file, BATCH)
    assert snapshot.of("source", "billing") == {("orders", 0): 10, ("orders", 1): 20}
    assert snapshot.of("target", "billing") == {("orders", 0): 9}
    assert snapshot.of("source", "audit") == {}
    later = cluster({"billing": {("orders", 0): 12, ("other", 0): 6}})
    assert words(snapshot, {"billing": later.committed("billing")}) == [
        "group audit: of 0 offsets 0 differ",
        "group billing: of 2 offsets 2 differ: orders-0: 12 -> 10, orders-1: none -> 20",
    ]
    assert put_back(snapshot, later, GROUPS) == {"billing": 2, "audit": 0}
    assert later.offsets["billing"] == {("orders", 0): 10, ("orders", 1): 20, ("other", 0): 6}


def test_nothing_is_set_while_one_of_the_groups_has_a_member(tmp_path: Path) -> None:
    busy = cluster({"billing": {("orders", 0): 12}}, busy=["audit"])
    with pytest.raises(UsageError, match=r"group audit has 1 member on the source \(java at host\)"):
        put_back(read_snapshot(take(tmp_path), BATCH), busy, GROUPS)
    assert busy.offsets["billing"] == {("orders", 0): 12}


def test_nothing_is_set_on_another_cluster(tmp_path: Path) -> None:
    other = cluster({"billing": {("orders", 0): 12}})
    other.id = "two"
    with pytest.raises(UsageError, match="has offsets of cluster one, but the source is two"):
        put_back(read_snapshot(take(tmp_path), BATCH), other, GROUPS)
    assert other.offsets["billing"] == {("orders", 0): 12}


def test_an_offset_that_was_not_set_is_an_error(tmp_path: Path) -> None:
    forgetful = cluster({})
    forgetful.forgets = ("orders", 1)
    with pytest.raises(UsageError, match="the offset of orders-1 is not the one that was set"):
        put_back(read_snapshot(take(tmp_path), BATCH), forgetful, GROUPS)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"format": 2}, "format"),
        ({"route": "other"}, "is of route other, not of shop"),
        ({"source": {"billing": {"orders": {"0": -1}}}}, "source.billing.orders.0"),
        ({"source": {"billing": {"orders": {"x": 1}}}}, "billing.orders.x: is no partition"),
        ({"extra": 1}, "extra"),
        ({"source": {"billing": {}}}, r"other groups or topics than the batch \(audit\)"),
        ({"source": {"billing": {"clicks": {"0": 1}}, "audit": {}}}, r"than the batch \(clicks\)"),
    ],
)
def test_a_damaged_or_foreign_file_is_refused(tmp_path: Path, change: dict[str, Any], why: str) -> None:
    file = take(tmp_path)
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(UsageError, match=why):
        read_snapshot(file, BATCH)


def test_no_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(UsageError, match="snapshot"):
        read_snapshot(tmp_path / "x.json", BATCH)
