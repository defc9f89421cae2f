"""`run --from-scratch` removes nothing while it could take a running mirror or the target's records away."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from cutover_harness.cutover.from_scratch import refuse
from cutover_harness.errors import UsageError
from cutover_harness.mirror import Batch, TwoWayMirror

BATCH = Batch("sales", ("orders.*",), ("billing",), ("orders.old",))


@dataclass
class Target:
    topics: dict[str, int] = field(default_factory=dict)

    def partitions(self) -> dict[str, int]:
        return self.topics


@dataclass
class FakeMirror:
    target: Target = field(default_factory=Target)
    connectors: bool = False
    batch: Batch = BATCH

    def exists(self) -> bool:
        return self.connectors


def mirror(*topics: str, **known: Any) -> TwoWayMirror:
    return cast("TwoWayMirror", FakeMirror(Target(dict.fromkeys(topics, 1)), **known))


def test_topics_of_others_are_no_hindrance() -> None:
    refuse(mirror("orders.old", "payments", "mm2-offset-syncs.sales.source.internal"), "sales")


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (mirror("orders.a", "orders.b", "other"), "the target has orders.a, orders.b: delete the batch's topics"),
        (mirror(connectors=True), "connectors of its mirror exist .cutover-sales-source, "),
    ],
)
def test_it_is_refused(found: TwoWayMirror, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        refuse(found, "sales")
