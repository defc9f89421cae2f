"""Retention on the target: it counts only if a group still needed some of the records."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace

import pytest
from cutover_harness.faults.expire import Expire

from tests.unit.faults.faults import context, fault

P = ("orders", 0)


class Cluster:
    """A cluster whose log has `end` records, of which the group has committed `read`."""

    def __init__(self, end: int, read: int = 0) -> None:
        self.end, self.read = end, read
        self.removed: list[dict[tuple[str, int], int]] = []

    def committed(self, *_: object) -> dict[tuple[str, int], int]:
        return {P: self.read}

    def end_offsets(self, _: object) -> dict[tuple[str, int], int]:
        return {P: self.end}

    def delete_records(self, upto: dict[tuple[str, int], int]) -> None:
        self.removed.append(upto)


@pytest.mark.parametrize(("read", "lag", "held"), [(4, 2, True), (8, 2, False), (10, 0, False)])
def test_all_is_removed_from_the_target_once_groups_are_behind_the_mirror(read: int, lag: int, held: bool) -> None:
    clusters = {"source": Cluster(10, read), "target": Cluster(10 - lag)}
    mirror = SimpleNamespace(lag=lambda: SimpleNamespace(records={P: lag}))
    topics = SimpleNamespace(
        topics={"orders": None}, groups=["billing"], admin=clusters.__getitem__, mirror=lambda: nullcontext(mirror)
    )
    made: Expire = fault("expire", "topics", at="consumers-to-target", cluster="target")
    proof = made.inject(context(topics=topics)).prove()
    assert proof.held == held
    assert clusters["target"].removed == [{P: 10 - lag}]
    assert not clusters["source"].removed
