"""Statuses that cannot be read are a gap of the preflight, which prints the missing rights nevertheless."""

from __future__ import annotations

from pathlib import Path

import pytest
from cutover_harness.cli import preflight_fleet
from cutover_harness.inventory.completeness import Gaps
from cutover_harness.planning.read import read_plan

from tests.unit.preflight.plan_facts import facts, found, plan


class Unreadable:
    """A topic of statuses that the cluster does not show."""

    name, problem = "kafka:statuses", "the topic does not exist, or may not be described"

    def read(self) -> dict[str, dict[str, object]]:
        return {}

    def close(self) -> None: ...


def test_statuses_that_cannot_be_read_are_a_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(plan(statuses="kafka:statuses").model_dump_json(exclude_none=True))
    monkeypatch.setattr(preflight_fleet, "statuses_of", lambda *_: Unreadable())
    gaps = Gaps()
    assert preflight_fleet.shim_fleet(read_plan(file), {}, gaps) is None
    (gap,) = gaps.all
    assert (gap.what, gap.names) == ("statuses of clients", ["kafka:statuses"])
    its = found(facts(plan(statuses="kafka:statuses"), fleet=None, gaps=[gap]))
    assert "no-statuses" not in its
    assert "who runs the shim is not known" in its["not-checked"][0].reason
