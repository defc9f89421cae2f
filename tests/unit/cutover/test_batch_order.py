"""A batch waits for those that its `after` names."""

from __future__ import annotations

from pathlib import Path

import pytest
from cutover_harness.cutover import batches
from cutover_harness.cutover.batches import Progress, refuse_before_others
from cutover_harness.cutover.folder import RunFolder
from cutover_harness.errors import UsageError
from cutover_harness.planning.model import PlannedBatch

BATCH = PlannedBatch.model_validate({"name": "billing", "path": "restart", "topics": ["billing.*"], "after": ["shop"]})


@pytest.mark.parametrize(
    ("shop", "billing", "refused"),
    [
        ("not begun", "not begun", True),
        ("back on the source", "not begun", True),
        ("back on the source", "back on the source", True),
        ("completed", "not begun", False),
        ("not begun", "begun", False),  # it has begun before `after` was added: it can be finished
    ],
)
def test_after(
    shop: Progress, billing: Progress, refused: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = {"shop": shop, "billing": billing}
    monkeypatch.setattr(batches, "progress", lambda _, name: states[name])
    run = RunFolder.of(tmp_path / "plan.yaml")
    if not refused:
        refuse_before_others(run, BATCH)
        return
    with pytest.raises(UsageError, match=f"its `after` names shop .{shop}.: move it first"):
        refuse_before_others(run, BATCH)
